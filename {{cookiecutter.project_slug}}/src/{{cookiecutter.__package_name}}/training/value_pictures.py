"""Pictures of a regression: predicted against true, residuals, their distribution."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .drawing import Drawing, Theme, short
from .report import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINTS = 3000


def chosen(report: Report) -> NDArray[np.int64]:
    """Indices of at most POINTS rows, always the same ones."""
    rows = len(report.answers.y)
    return np.random.default_rng(0).permutation(rows)[:POINTS]


def scatter(axes: "Axes", x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    alpha = float(np.clip(20.0 / np.sqrt(len(x)), 0.3, 0.8))
    axes.plot(x, y, "o", markersize=4, alpha=alpha, markeredgewidth=0)


def predicted(figure: "Figure", report: Report, theme: Theme) -> None:
    places, answers = chosen(report), report.answers
    axes = figure.add_subplot()
    axes.set_prop_cycle(color=theme.series)
    truth, said = answers.y[places], answers.value[places]
    ends = [min(truth.min(), said.min()), max(truth.max(), said.max())]
    axes.plot(ends, ends, "--", color=theme.quiet, linewidth=1, label="perfect")
    scatter(axes, truth, said)
    target = short(report.manifest.signature.target)
    axes.set(xlabel=f"true {target}", ylabel=f"predicted {target}")
    axes.legend(loc="upper left")


def residuals(figure: "Figure", report: Report, theme: Theme) -> None:
    places, answers = chosen(report), report.answers
    axes = figure.add_subplot()
    axes.set_prop_cycle(color=theme.series)
    said = answers.value[places]
    axes.axhline(0.0, linestyle="--", color=theme.quiet, linewidth=1)
    scatter(axes, said, said - answers.y[places])
    target = short(report.manifest.signature.target)
    axes.set(xlabel=f"predicted {target}", ylabel="predicted − true")


def errors(figure: "Figure", report: Report, theme: Theme) -> None:
    error = report.answers.value - report.answers.y
    low, middle, high = np.quantile(error, [0.05, 0.5, 0.95])
    axes = figure.add_subplot()
    bins = int(np.clip(2 * np.cbrt(len(error)), 5, 60))
    axes.hist(error, bins, color=theme.series[0], alpha=0.75)
    axes.axvspan(low, high, color=theme.quiet, alpha=0.2, linewidth=0)
    axes.axvline(middle, color=theme.series[1], linewidth=1.8)
    axes.set_title(f"median {middle:.3g}; 90 % from {low:.3g} to {high:.3g}")
    target = short(report.manifest.signature.target)
    axes.set(xlabel=f"predicted − true {target}", ylabel="rows")


def points_of(report: Report) -> str:
    rows = len(report.answers.y)
    return f"{rows} rows" if rows <= POINTS else f"{POINTS} of {rows} rows"


VALUES = (
    Drawing(
        "predicted",
        "Predicted and true",
        lambda report: f"On the dashed line the answer is right; {points_of(report)}.",
        predicted,
    ),
    Drawing(
        "residuals",
        "Residuals",
        lambda report: "A shape in the cloud is something that the model has missed; "
        f"{points_of(report)}.",
        residuals,
    ),
    Drawing(
        "errors",
        "Distribution of errors",
        lambda report: "The line is the median error, the band holds nine of ten rows; "
        f"{len(report.answers.y)} rows.",
        errors,
    ),
)
