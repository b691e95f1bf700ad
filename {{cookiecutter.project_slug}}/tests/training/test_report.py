"""The report of a version: its numbers, its pictures, its words, and its safety."""

import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import numpy as np
import pytest
from known import (
    ROWS,
    known,
    probabilities,
)
from sklearn import metrics

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
    Feature,
)
from {{cookiecutter.__package_name}}.model.predictor import (
    Predictor,
)
from {{cookiecutter.__package_name}}.training.answers import (
    Trivial,
)
from {{cookiecutter.__package_name}}.training.card import (
    limits,
    model_card,
    summarise,
)
from {{cookiecutter.__package_name}}.training.comparison import (
    Interval,
)
from {{cookiecutter.__package_name}}.training.dataset import (
    Column,
    Contract,
    Table,
)
from {{cookiecutter.__package_name}}.training.drawing import (
    short,
)
from {{cookiecutter.__package_name}}.training.evaluate import (
    evaluate,
    evaluate_baseline,
)
from {{cookiecutter.__package_name}}.training.held_out import (
    unseen_rows,
)
from {{cookiecutter.__package_name}}.training.page import (
    shown,
)
from {{cookiecutter.__package_name}}.training.publish import (
    write,
)
from {{cookiecutter.__package_name}}.training.report import (
    Report,
    Service,
    gather,
    in_service,
)

*_, SEDGE = HOSTILE = ("<b>reed</b>", "$ru|sh$ [x](y)", "_sedge")
SCRIPT = "<script>alert(1)</script>"
LABELS = np.array(
    [
        np.random.default_rng(i).choice(HOSTILE, p=p)
        for i, p in enumerate(probabilities(ROWS))
    ]
)
TABLE = Table(ROWS, LABELS)
PRIOR = np.array([0.5, 0.3, 0.2])


class Guessing(Artifact, frozen=True):
    """What serves now: it always says the same."""

    def predictor(self) -> Predictor:
        return Trivial(HOSTILE, np.array([0.2, 0.2, 0.6]))  # type: ignore[return-value]


@pytest.fixture(scope="session")
def report() -> Report:
    artifact = known(HOSTILE)
    manifest = artifact.manifest
    features = (Feature(SCRIPT, "cm", 0, 1, 3), Feature("wi$dth", "mm", -1, 0, 2))
    signature = msgspec.structs.replace(manifest.signature, features=features)
    manifest = msgspec.structs.replace(
        manifest,
        signature=signature,
        evaluation=evaluate(artifact.predictor(), TABLE),
        baseline=evaluate_baseline(HOSTILE, PRIOR, TABLE),
    )
    return gather(
        manifest,
        artifact.predictor(),
        Path("plants & more.csv"),
        TABLE,
        Trivial(HOSTILE, PRIOR),
        ["accuracy is 0.1, at least 0.9 is needed"],
        Service("Both were asked.", Guessing(manifest, {}), TABLE),
    )


@pytest.fixture(scope="session")
def folder(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report, written once for all tests."""
    folder = tmp_path_factory.mktemp("report") / "v1"
    assert write(report, folder, folder / "none.md") == folder / "report.html"
    return folder


class Page(HTMLParser):
    """Tags with their attributes, and the cells of every table."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = [("", {})]
        self.rows: list[list[str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.tags[-1][0] in ("td", "th") and self.rows[-1]:
            self.rows[-1][-1] += data.rstrip("\n")

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="session")
def page(folder: Path) -> Page:
    return Page((folder / "report.html").read_text("utf-8"))


def expected() -> dict[str, float]:
    P = probabilities(ROWS)
    said = np.array(HOSTILE)[P.argmax(axis=1)]
    one_hot = np.array(HOSTILE) == LABELS[:, None]
    return {
        "accuracy": metrics.accuracy_score(LABELS, said),
        "balanced_accuracy": metrics.balanced_accuracy_score(LABELS, said),
        "macro_f1": metrics.f1_score(LABELS, said, average="macro"),
        "log_loss": float(-np.log(P[one_hot]).mean()),
    }


def test_the_numbers_are_those_that_scikit_learn_measures(
    page: Page, report: Report, folder: Path
) -> None:
    card = (folder / "model-card.md").read_text("utf-8").replace("\\", "")
    for name, value in expected().items():
        found = [row[1] for row in page.rows if row[0] == name]
        assert len(found) == 2, "beside the baseline and beside what serves"
        for cell in found:
            told, low, high = map(float, re.findall(r"[\d.]+", cell))
            assert told == pytest.approx(value, abs=5e-5)
            assert low < told < high
        assert f"| {name} | {found[0]} |" in card
        assert f"| {name} | {found[0]} |" in summarise(report).replace("\\", "")


def test_the_difference_is_ours_minus_theirs(page: Page, report: Report) -> None:
    each = report.production[0]
    guessed = metrics.accuracy_score(LABELS, [SEDGE] * 60)
    assert each.difference.value == pytest.approx(expected()["accuracy"] - guessed)
    row, *_ = (row for row in page.rows if row[0] == "accuracy")
    assert row[3].startswith("+")
    assert row[4] == "better"


def test_every_class_is_told_with_its_confusion(page: Page) -> None:
    P = probabilities(ROWS)
    said = np.array(HOSTILE)[P.argmax(axis=1)]
    confusion = metrics.confusion_matrix(LABELS, said, labels=HOSTILE)
    rows = {row[0]: row[-3:] for row in page.rows if row[0] in HOSTILE}
    assert rows == {
        name: list(map(str, counts))
        for name, counts in zip(HOSTILE, confusion.tolist(), strict=True)
    }


def test_names_are_text_whatever_is_in_them(page: Page, folder: Path) -> None:
    assert SCRIPT in [row[0] for row in page.rows]
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "b", "iframe", "link", "object", "svg"}
    card = (folder / "model-card.md").read_text("utf-8")
    assert "<" not in card
    assert "| \\$ru\\|sh\\$ \\[x\\](y) |" in card


def test_the_page_is_alone_and_may_load_nothing(page: Page) -> None:
    text = [
        value
        for _, each in page.tags
        for name, value in each.items()
        if value
        if name in ("src", "srcset", "href")
    ]
    assert len(text) == 12
    assert {value.partition(",")[0] for value in text} == {"data:image/png;base64"}
    (policy,) = (each["content"] for each in page.named("meta") if "http-equiv" in each)
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    assert not any("style" in each for _, each in page.tags)


def test_each_picture_comes_in_light_and_in_dark(page: Page, folder: Path) -> None:
    from matplotlib.image import imread

    names = ["confusion", "calibration", "precision-recall", "scores"]
    names += ["importance", "comparison"]
    for name in names:
        light, dark = (
            imread(folder / f"{name}-{kind}.png") for kind in ("light", "dark")
        )
        assert light.shape == dark.shape
        assert light.shape[1] == 960
        # All is opaque, the corner is the page's own background, and it is not empty.
        assert light[0, 0].tolist() == [1, 1, 1, 1]
        assert (dark[0, 0] * 255).round().tolist() == [0x14, 0x18, 0x1D, 255]
        assert light.std() > 0.05
        assert dark.std() > 0.05
    alt = [each["alt"] or "" for each in page.named("img")]
    assert len(alt) == len(names)
    assert all("60 rows" in text for text in alt)
    assert len(page.named("source")) == len(names)


def test_a_folder_holds_the_report_and_nothing_half_written(folder: Path) -> None:
    assert {path.suffix for path in folder.iterdir()} == {".png", ".md", ".html"}
    assert len(list(folder.iterdir())) == 14


def test_the_card_takes_the_intended_use_as_it_stands(
    report: Report, tmp_path: Path, project: Path
) -> None:
    use = tmp_path / "use.md"
    missing = f"Nobody has said so yet; write it into `{use.as_posix()}`."
    assert missing in model_card(report, use)
    use.write_text("\n- **For** those who ask\n")
    assert "## Intended use\n\n- **For** those who ask\n\n## Data" in model_card(
        report, use
    )
    assert (project / "docs" / "intended-use.md").is_file()


def test_the_card_says_what_is_known_against_the_version(report: Report) -> None:
    card = model_card(report, Path("none.md"))
    assert "misses the thresholds: accuracy is 0.1, at least 0.9 is needed." in card
    assert "judged by 60 rows of plants &amp; more.csv" in card
    few = [name for name in HOSTILE if (name == LABELS).sum() < 30]
    assert few
    (line,) = (each for each in limits(report) if each.startswith("Classes with fewer"))
    assert all(f"({(name == LABELS).sum()})" in line for name in few)
    assert any("relies most on" in each for each in limits(report))
    manifest = report.manifest
    short_of_rows = msgspec.structs.replace(
        manifest,
        evaluation=msgspec.structs.replace(manifest.evaluation, rows=29, per_class={}),
    )
    told = limits(
        Report(**(vars(report) | {"manifest": short_of_rows, "importances": []}))
    )
    assert told[-1] == "It was judged by 29 rows only, too few to compare it."


def test_only_rows_that_neither_has_learned_from_compare(
    artifact: Artifact, sample: Path, contract: Contract, table: Table, tmp_path: Path
) -> None:
    """`artifact` is what serves; another version was made from the same file."""
    version = artifact.manifest.version
    _, unseen = unseen_rows(artifact, sample, contract)

    def asked(rows: Table, data: Path = sample, name: str = "other") -> Service:
        return in_service(artifact, "none", name, data, contract, rows)

    found = asked(table)
    assert found.rows is not None
    # Of a narrow table a row may equal one that was learned from: it stays.
    new = {row.tobytes() for row in unseen.X}
    shared = [tuple(row) for row in table.X if row.tobytes() in new]
    assert sorted(map(tuple, found.rows.X)) == sorted(shared)
    assert f"{version}, is judged by {len(shared)} rows that neither" in found.said
    learned = {row.tobytes() for row in table.X} - new
    rest = np.array([row.tobytes() in learned for row in table.X])
    none = asked(Table(table.X[rest], table.y[rest]))
    assert none.rows is None
    assert none.said.endswith("has learned from all of these rows.")
    assert asked(table, name=version) == Service("This is the version in service.")
    assert in_service(None, "None.", "v", sample, contract, table) == Service("None.")
    copy = tmp_path / "new.csv"
    copy.write_text(sample.read_text("utf-8") + "\n", "utf-8")
    assert "learned from another file" in asked(table, copy).said
    features = (*contract.features, Column("one more"))
    wider = msgspec.structs.replace(contract, features=features)
    refused = in_service(artifact, "", "other", sample, wider, table)
    assert "can't be asked the same: " in refused.said


def test_a_difference_of_nothing_has_no_minus() -> None:
    assert shown(Interval(-1e-9, -0.5, 0.5), "+") == "+0.0000 [−0.5000, +0.5000]"


def test_a_long_name_leaves_room_for_the_picture() -> None:
    assert short("a" * 22) == "a" * 22
    assert short("a" * 23) == "a" * 11 + "…" + "a" * 10
    families = ["technical support, tier 1", "technical support, tier 2"]
    assert [short(each) for each in families] == [
        "technical s…rt, tier 1",
        "technical s…rt, tier 2",
    ]
    assert short("a\nb\x00") == "a b "
