"""A drawing and a report in, two PNGs out: one in light colours, one in dark."""

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .report import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, HEIGHT, DPI = 6.4, 4.2, 150  # inches, inches, pixels per inch
LIGHT = {
    "text": "#1b1f24",
    "back": "#ffffff",
    "line": "#d0d7de",
    "quiet": "#6b7480",
    # Mostly Okabe and Ito's colours, which colour-blind people can tell apart.
    "series": "#0072b2 #d55e00 #009e73 #cc79a7 #e69f00 #56b4e9 #7a5195 #1b1f24",
    "shades": "#ffffff #0072b2",
}
DARK = {
    "text": "#e6eaf0",
    "back": "#14181d",
    "line": "#3a424c",
    "quiet": "#98a2b0",
    "series": "#56b4e9 #e69f00 #3fc79a #e3a0c6 #f0e442 #5b8ff9 #b497d6 #e6eaf0",
    "shades": "#14181d #56b4e9",
}
LONGEST = 22  # characters of a name on an axis


@dataclass(frozen=True)
class Picture:
    """caption: what the picture shows, and from how many rows."""

    name: str
    title: str
    caption: str
    light: bytes
    dark: bytes


@dataclass(frozen=True)
class Drawing:
    """How one picture is made: `draw` fills a figure with a report."""

    name: str
    title: str
    caption: Callable[[Report], str]
    draw: Callable[["Figure", Report, "Theme"], None]


@dataclass(frozen=True)
class Theme:
    text: str
    line: str
    quiet: str
    series: tuple[str, ...]
    shades: tuple[str, ...]


def paint(drawing: Drawing, report: Report) -> Picture:
    light, dark = (rendered(drawing, report, colours) for colours in (LIGHT, DARK))
    caption = drawing.caption(report)
    return Picture(drawing.name, drawing.title, caption, light, dark)


def rendered(drawing: Drawing, report: Report, colours: dict[str, str]) -> bytes:
    """One PNG, drawn without a screen and unaffected by the caller's settings."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.image import imsave

    theme = Theme(
        colours["text"],
        colours["line"],
        colours["quiet"],
        tuple(colours["series"].split()),
        tuple(colours["shades"].split()),
    )
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the page has it in text
        mpl.rcdefaults()
        mpl.rcParams.update(style(colours))
        figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, layout="constrained")
        drawing.draw(figure, report, theme)
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()  # `savefig` would draw it twice
        content = io.BytesIO()
        imsave(content, canvas.buffer_rgba(), format="png")
        return content.getvalue()


def style(colours: dict[str, str]) -> dict[Any, Any]:
    text, line = colours["text"], colours["line"]
    return {
        "text.parse_math": False,  # a $ in a name is just a $
        "font.size": 10,
        "axes.titlesize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.edgecolor": line,
        "grid.color": line,
        "grid.linewidth": 0.6,
        "xtick.color": line,
        "ytick.color": line,
        "xtick.labelcolor": text,
        "ytick.labelcolor": text,
        "axes.labelcolor": text,
        "text.color": text,
        "legend.frameon": False,
        "figure.constrained_layout.w_pad": 0.08,
        "figure.constrained_layout.h_pad": 0.08,
        "figure.facecolor": colours["back"],
        "axes.facecolor": colours["back"],
        "savefig.facecolor": colours["back"],
    }


def short(name: str) -> str:
    """The name, shortened to leave room for the picture; one line, printable only.

    Both ends are kept: similar names differ as often at the end as at the start.
    """
    name = "".join(each if each.isprintable() else " " for each in name)
    half = LONGEST // 2
    return name if len(name) <= LONGEST else f"{name[:half]}…{name[1 - half :]}"
