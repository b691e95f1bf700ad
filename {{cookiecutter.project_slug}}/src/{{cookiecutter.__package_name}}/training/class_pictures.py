"""Pictures of a classifier: confusion, calibration, precision-recall, scores."""

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.metrics import average_precision_score, precision_recall_curve

from ..model.arrays import Floats
from .drawing import Drawing, Theme, short
from .report import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NUMBERED = 12  # with more classes, cells don't show their counts
CURVES = 6
PANELS = 9
DASHES = ("-", "--", "-.", ":")
STEPS = np.linspace(0.0, 1.0, 21)


def names_of(report: Report) -> list[str]:
    return [short(name) for name in report.manifest.signature.classes]


def confusion(figure: "Figure", report: Report, theme: Theme) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    counts = np.array(report.manifest.evaluation.confusion, dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    names, k = names_of(report), len(counts)
    shades = LinearSegmentedColormap.from_list("shades", theme.shades)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap=shades, vmin=0.0, vmax=1.0)
    axes.grid(visible=False)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_xticks(np.arange(k + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(k + 1) - 0.5, minor=True)
    axes.grid(visible=True, which="minor", color=theme.line, linewidth=0.8)
    axes.tick_params(which="both", length=0)
    places = range(0, k, max(k // 20, 1))
    shown = [names[place] for place in places]
    turned: dict[str, Any] = {}
    if k > 4 or max(map(len, names)) > 12:
        turned = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    if k > NUMBERED:
        turned = {"rotation": 90}
        figure.set_figheight(5.6)
        axes.tick_params(labelsize=8)
    axes.set_xticks(places, shown, **turned)
    axes.set_yticks(places, shown)
    axes.set_xlabel("answered")
    axes.set_ylabel(f"true {short(report.manifest.signature.target)}")
    if k <= NUMBERED:
        for i, j in np.ndindex(k, k):
            white = mostly_dark(theme) == (shares[i, j] < 0.5)
            colour = "#ffffff" if white else "#101418"
            axes.text(j, i, f"{counts[i, j]:g}", ha="center", va="center", color=colour)
    bar = figure.colorbar(image, ax=axes, format="{x:.0%}", shrink=0.9)
    bar.set_label("share of the true class")
    bar.outline.set_visible(False)


def mostly_dark(theme: Theme) -> bool:
    return int(theme.shades[0][1:3], 16) < 128


def calibration(figure: "Figure", report: Report, theme: Theme) -> None:
    bins = report.manifest.evaluation.calibration
    confidence = np.array([each["confidence"] for each in bins])
    right = np.array([each["accuracy"] for each in bins])
    rows = np.array([each["rows"] for each in bins])
    low, high = wilson(right, rows)
    upper, lower = figure.subplots(2, sharex=True, height_ratios=(3, 1))
    upper.plot([0, 1], [0, 1], "--", color=theme.quiet, linewidth=1, label="perfect")
    error = np.maximum([right - low, high - right], 0.0)
    blue = theme.series[0]
    upper.errorbar(
        confidence, right, error, fmt="o-", color=blue, capsize=3, label="this version"
    )
    upper.set(xlim=(0, 1.02), ylim=(-0.03, 1.05), ylabel="share that was right")
    upper.legend(loc="upper left")
    starts = [each["from"] for each in bins]
    width = bins[0]["to"] - bins[0]["from"] if bins else 0.1
    lower.bar(starts, rows, width, align="edge", color=blue, alpha=0.7)
    lower.set(xlabel="confidence: probability of the answer", ylabel="rows")


def wilson(share: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """95 % interval of a share of `rows`. Source: Wilson 1927, JASA 22, pp. 209-212."""
    z2 = 1.96**2
    middle = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = np.sqrt(z2 * (share * (1 - share) / rows + z2 / (4 * rows**2)))
    half /= 1 + z2 / rows
    return middle - half, middle + half


def precisions(report: Report) -> list[tuple[float, int]]:
    """Average precision and column of each class that occurs, worst first."""
    answers = report.answers
    found = []
    for c in range(answers.k):
        truly = answers.truth == c
        if truly.any():
            score = average_precision_score(truly, answers.P[:, c])
            found.append((float(score), c))
    return sorted(found)


def precision_recall(figure: "Figure", report: Report, theme: Theme) -> None:
    answers, names = report.answers, names_of(report)
    axes = figure.add_subplot()
    lines, labels = [], []
    styles = zip(cycle(theme.series), cycle(DASHES), strict=False)
    for (score, c), (colour, dashes) in zip(
        precisions(report)[:CURVES], styles, strict=False
    ):
        truly = answers.truth == c
        precision, recall, _ = precision_recall_curve(truly, answers.P[:, c])
        lines += axes.step(
            recall, precision, dashes, where="post", color=colour, linewidth=1.8
        )
        labels.append(f"{names[c]}: AP {score:.3f}, {truly.sum()} rows")
    axes.set(xlim=(-0.01, 1.02), ylim=(0, 1.03), xlabel="recall", ylabel="precision")
    figure.legend(
        lines,
        labels,
        loc="outside lower center",
        ncols=2,
        title="average precision (AP) of the class",
        fontsize=9,
    )


def scores(figure: "Figure", report: Report, theme: Theme) -> None:
    answers, names = report.answers, names_of(report)
    shown = [c for _, c in precisions(report)][:PANELS]
    columns = min(len(shown), 3)
    down = -(-len(shown) // columns)
    figure.set_figheight(max(figure.get_figheight(), 1.8 * down + 0.8))
    grid = figure.subplots(down, columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(shown) :]:
        axes.set_visible(False)
    for axes, c in zip(grid.flat, sorted(shown), strict=False):
        truly = answers.truth == c
        for chosen, colour in ((~truly, theme.quiet), (truly, theme.series[0])):
            share = np.histogram(answers.P[chosen, c], STEPS)[0] / max(chosen.sum(), 1)
            axes.stairs(share, STEPS, color=colour, fill=True, alpha=0.4)
            axes.stairs(share, STEPS, color=colour, linewidth=1.4)
        axes.set_title(f"{names[c]}\n{truly.sum()} of {len(truly)} rows", fontsize=9)
        axes.set(xlim=(0, 1), xticks=[0, 0.5, 1])
        axes.yaxis.set_major_formatter("{x:.0%}")
    figure.supxlabel("probability given to the class", fontsize=10)
    figure.supylabel("share of the rows", fontsize=10)
    mark_kinds(figure, theme)


def mark_kinds(figure: "Figure", theme: Theme) -> None:
    from matplotlib.patches import Patch

    truly = Patch(color=theme.series[0], alpha=0.6, label="rows of the class")
    others = Patch(color=theme.quiet, alpha=0.6, label="other rows")
    figure.legend(handles=[truly, others], loc="outside upper right", ncols=2)


def rows_of(report: Report) -> str:
    return f"{report.manifest.evaluation.rows} rows"


def curves_of(report: Report) -> str:
    found = len(precisions(report))
    told = "" if found <= CURVES else f" The {CURVES} worst of {found} classes."
    return f"Each class against all others, {rows_of(report)}.{told}"


def panels_of(report: Report) -> str:
    found = len(precisions(report))
    told = "" if found <= PANELS else f" The {PANELS} worst of {found} classes."
    return f"The further apart the two kinds, the better; {rows_of(report)}.{told}"


CLASSES = (
    Drawing(
        "confusion",
        "Confusion",
        lambda report: f"How often each class was answered as which; {rows_of(report)}."
        " The shade is the share of the true class.",
        confusion,
    ),
    Drawing(
        "calibration",
        "Calibration",
        lambda report: "Above the dashed line it was right more often than it claimed, "
        f"below less. Bars are 95 % intervals of a share; {rows_of(report)}.",
        calibration,
    ),
    Drawing("precision-recall", "Precision and recall", curves_of, precision_recall),
    Drawing("scores", "Distribution of scores", panels_of, scores),
)
