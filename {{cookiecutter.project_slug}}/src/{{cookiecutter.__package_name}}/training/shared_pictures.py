"""Pictures of any model: what features matter, and how it compares."""

from typing import TYPE_CHECKING

import numpy as np

from .comparison import DRAWS, REPEATS, ROWS, Interval
from .drawing import Drawing, Theme, short
from .evaluate import HIGHER_IS_BETTER
from .report import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEATURES = 20


def importance(figure: "Figure", report: Report, theme: Theme) -> None:
    found = report.importances[:FEATURES][::-1]
    figure.set_figheight(max(0.26 * len(found) + 0.9, 1.8))
    axes = figure.add_subplot()
    places = np.arange(len(found))
    axes.barh(
        places,
        [each.mean for each in found],
        xerr=[each.spread for each in found],
        color=theme.series[0],
        ecolor=theme.text,
        error_kw={"linewidth": 1.2, "capsize": 2},
        height=0.7,
    )
    axes.set_yticks(places, [short(each.feature) for each in found])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.axvline(0.0, color=theme.quiet, linewidth=1)
    unit = "log loss (nats)" if report.answers.k else "rmse"
    axes.set_xlabel(f"rise of the {unit} when shuffled")


def of_service(report: Report) -> str:
    """By how many rows the version in service is judged, if it knows the others."""
    rows = {each.rows for each in report.production} - {len(report.answers.y)}
    return "".join(f", for the version in service of {each} of them" for each in rows)


def comparison(figure: "Figure", report: Report, theme: Theme) -> None:
    """A small panel for each metric, since each has its own scale."""
    sides = [("this version", [each.ours for each in report.baseline])]
    if report.production:
        sides.append(("in service", [each.theirs for each in report.production]))
    sides.append(("baseline", [each.theirs for each in report.baseline]))
    names = [each.name for each in report.baseline]
    columns = 2 if len(names) > 1 else 1
    down = -(-len(names) // columns)
    figure.set_figheight(0.55 + (0.55 + 0.2 * len(sides)) * down)
    grid = figure.subplots(down, columns, squeeze=False, sharey=True)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    for place, (axes, name) in enumerate(zip(grid.flat, names, strict=False)):
        for i, (_, intervals) in enumerate(sides):
            each: Interval = intervals[place]
            axes.plot([each.low, each.high], [i, i], color=theme.series[i], linewidth=3)
            axes.plot(each.value, i, "osD"[i], color=theme.series[i], markersize=7)
        better = "right" if name in HIGHER_IS_BETTER else "left"
        axes.set_title(f"{name.replace('_', ' ')} ({better} is better)")
        axes.set_yticks(range(len(sides)), [side for side, _ in sides])
        axes.set_ylim(len(sides) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.margins(x=0.12)


SHARED = (
    Drawing(
        "importance",
        "Importance of the features",
        lambda report: "By how much answers get worse when a feature's values are "
        f"shuffled among {min(len(report.answers.y), ROWS)} rows: mean and standard "
        f"deviation of {REPEATS} shuffles. Features that carry the same information "
        "share their importance.",
        importance,
    ),
    Drawing(
        "comparison",
        "Comparison",
        lambda report: f"Points are the metrics, lines 95 % of {DRAWS} draws of the "
        f"{len(report.answers.y)} rows{of_service(report)}. Lines that overlap decide "
        "nothing; the table does, which compares draw by draw.",
        comparison,
    ),
)
