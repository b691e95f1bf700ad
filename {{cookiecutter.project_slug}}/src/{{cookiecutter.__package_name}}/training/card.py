"""A report in, Markdown out: the model card, and a summary for a pull request."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from ..artifacts.artifact import Feature
from .comparison import DRAWS, FEWEST, Compared
from .page import facts, shown
from .report import Report

MARKUP = str.maketrans({each: f"\\{each}" for each in "\\`*_[]#|~$!"})
TELLING = 3  # the most important features, which the card names


def model_card(report: Report, intended_use: Path) -> str:
    """intended_use: a Markdown file of your own, quoted unchanged."""
    signature = report.manifest.signature
    classes = f", one of {', '.join(map(plain, signature.classes))}"
    parts = [
        f"# Model card: {plain(report.manifest.name)} {report.manifest.version}",
        f"It answers {plain(signature.target)}"
        f"{classes if signature.classes else ', a number'}, "
        f"from {len(signature.features)} numbers. {plain(report.verdict)}",
        "## Intended use",
        intention(intended_use),
        "## Data",
        f"Learned from {report.manifest.provenance.train_rows} rows{goes_on(report)}, "
        f"judged by {report.manifest.evaluation.rows} rows of {plain(report.data)} "
        "that it has not learned from.",
        table(["feature", "unit", "lowest", "median", "highest"], ranges(report)),
        "## Metrics",
        f"In brackets is the 95 % bootstrap interval, from {DRAWS} draws of the rows.",
        *comparisons(report),
        *per_class(report),
        "## Limits",
        "\n".join(f"- {limit}" for limit in limits(report)),
        "## How it was made",
        "\n".join(f"- {name}: {plain(text)}" for name, text in facts(report)),
    ]
    return "\n\n".join(parts) + "\n"


def goes_on(report: Report) -> str:
    """What a continued version says about the rows before, which are not counted."""
    before = report.manifest.provenance.continued_from
    return f" on top of all that version {plain(before)} knew" if before else ""


def summarise(report: Report) -> str:
    """The summary for a pull request: what a reviewer wants to see first."""
    parts = [
        f"## {plain(report.manifest.name)} {report.manifest.version}",
        plain(report.verdict),
        f"Judged by {report.manifest.evaluation.rows} rows of {plain(report.data)} "
        "that it has not learned from.",
        *comparisons(report),
    ]
    return "\n\n".join(parts) + "\n"


def comparisons(report: Report) -> list[str]:
    found = [compared("baseline", report.baseline), plain(report.in_service)]
    if report.production:
        found.append(compared("in service", report.production))
    return found


def compared(name: str, metrics: Iterable[Compared]) -> str:
    head = ["metric", "this version", name, "difference", "this is"]
    return table(
        head,
        (
            (
                each.name,
                shown(each.ours),
                shown(each.theirs),
                shown(each.difference, "+"),
                each.verdict,
            )
            for each in metrics
        ),
    )


def per_class(report: Report) -> list[str]:
    told = report.manifest.evaluation.per_class
    if not told:
        return []
    columns = list(next(iter(told.values())))
    rows = (
        (name, *(f"{scores[column]:.4g}" for column in columns))
        for name, scores in told.items()
    )
    return [table(["class", *columns], rows)]


def intention(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return f"Nobody has said so yet; write it into `{path.as_posix()}`."


def limits(report: Report) -> list[str]:
    """Reasons, from the numbers themselves, not to trust them too far."""
    evaluation = report.manifest.evaluation
    found = [
        "Outside the ranges above the model has seen nothing; whether its answers "
        "there are right is not known.",
        "The metrics hold for data like the rows that it was judged by; nothing here "
        "says how it does on subgroups other than the classes.",
        "Intervals cover chance among the judged rows only, not another split, "
        "another training or other data.",
    ]
    if evaluation.rows < FEWEST:
        found.append(
            f"It was judged by {evaluation.rows} rows only, too few to compare it."
        )
    few = [
        f"{plain(name)} ({scores['rows']:g})"
        for name, scores in evaluation.per_class.items()
        if scores["rows"] < FEWEST
    ]
    if few:
        found.append(
            f"Classes with fewer than {FEWEST} rows to judge by: {', '.join(few)}; "
            "their precision and recall are rough."
        )
    leading = [each for each in report.importances[:TELLING] if each.mean > 0]
    if leading:
        names = ", ".join(plain(each.feature) for each in leading)
        found.append(f"It relies most on {names}; where those fail, so does it.")
    return found


def ranges(report: Report) -> list[Sequence[str]]:
    def line(each: Feature) -> Sequence[str]:
        numbers = (each.minimum, each.median, each.maximum)
        return (each.name, each.unit, *(f"{number:.4g}" for number in numbers))

    return [line(each) for each in report.manifest.signature.features]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["--:"] * (len(head) - 1)]
    text = [f"| {' | '.join(lines[0])} |", f"|{'|'.join(lines[1])}|"]
    text += [f"| {' | '.join(map(plain, row))} |" for row in rows]
    return "\n".join(text)


def plain(text: str) -> str:
    """The text on one line, escaped so that Markdown shows it as it is."""
    return escape(" ".join(text.split()), quote=False).translate(MARKUP)
