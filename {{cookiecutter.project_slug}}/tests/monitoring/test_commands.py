"""`drift` from the command line: what it prints, writes and exits with."""

import csv
import json
import re
from collections.abc import (
    Callable,
)
from pathlib import Path
from xml.etree import (
    ElementTree,
)

import msgspec
import pytest
from click.testing import (
    CliRunner,
    Result,
)

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
    version_of,
)
from {{cookiecutter.__package_name}}.artifacts.store import (
    Store,
)
from {{cookiecutter.__package_name}}.cli import (
    commands,
)
from {{cookiecutter.__package_name}}.training.dataset import (
    MISSING,
    Contract,
)

Written = Callable[[str, list[list[str]]], Path]


@pytest.fixture(autouse=True)
def here(project: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setenv("ML_MODEL_URI", str(store.root))


@pytest.fixture
def filled(contract: Contract, cells: list[list[str]], written: Written) -> Path:
    """The sample with its gaps filled, which is how a version has seen it."""
    names, *rows = [[cell.strip() for cell in row] for row in cells]
    for column in contract.features:
        place = names.index(column.name)
        for row in rows:
            if row[place].lower() in MISSING:
                row[place] = str(column.missing)
    return written("filled.csv", [names, *rows])


@pytest.fixture
def moved(filled: Path, artifact: Artifact, written: Written) -> Path:
    """The sample, with all of its first feature above what it was."""
    first = artifact.manifest.signature.features[0]
    with filled.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    place = header.index(first.name)
    more = 1 + first.maximum - first.minimum
    for row in rows:
        row[place] = str(float(row[place]) + more)
    return written("now<1>.csv", [header, *rows])


def run(*words: object) -> Result:
    return CliRunner().invoke(commands, list(map(str, words)))


def need_rows_alike(contract: Contract, reference: str) -> None:
    """By time, a version learns from the earlier rows: the later ones may differ."""
    if reference == "version" and contract.time:
        pytest.skip("what a version has not learned from is later")


@pytest.mark.parametrize("reference", ["file", "version"])
def test_the_same_data_has_not_drifted(
    sample: Path, contract: Contract, artifact: Artifact, store: Store, reference: str
) -> None:
    """Gaps that the contract fills are none: a version has learned what fills them."""
    need_rows_alike(contract, reference)
    before = sample if reference == "file" else store.serving()
    result = run("drift", before, sample)
    assert result.exit_code == 0, result.output
    columns = len(artifact.manifest.signature.features) + 1
    assert f"\n0 of {columns} columns have drifted\n" in result.output


def test_a_version_answers_by_itself(sample: Path, store: Store) -> None:
    result = run("drift", store.serving(), sample, "--version", "another")
    assert result.exit_code == 1
    assert str(result.exception).startswith("--version: expected none beside the ")


@pytest.mark.parametrize("reference", ["file", "version"])
def test_data_that_moved_is_named_shown_and_exits_with_3(
    filled: Path,
    contract: Contract,
    artifact: Artifact,
    store: Store,
    moved: Path,
    tmp_path: Path,
    reference: str,
) -> None:
    need_rows_alike(contract, reference)
    before = filled if reference == "file" else store.serving()
    page = tmp_path / "drift.html"
    result = run("drift", before, moved, "--json", "--output", page)
    assert result.exit_code == 3
    found = json.loads(result.output)
    assert found["drifted"] is True
    signature = artifact.manifest.signature
    names = [feature.name for feature in signature.features]
    *columns, _ = found["columns"]
    assert [(each["name"], each["moved"]) for each in columns] == [
        (name, name == names[0]) for name in names
    ]
    assert columns[0]["psi"] > 0.25
    text = page.read_text(encoding="utf-8")
    assert "now&lt;1&gt;.csv" in text, "escaped"
    assert "now<1>.csv" not in text
    assert not re.findall(r"(?:src|href|url)\s*[=(]", text), "nothing from elsewhere"
    drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawings) == len(names) + 1
    bars = ElementTree.fromstring(drawings[0]).findall("rect")
    if reference == "version":  # a file has bins of its own
        assert len(bars) == 2 * len(artifact.manifest.reference.features[0].counts)
    assert bars
    assert all(0 <= float(bar.get("height", "-1")) <= 96 for bar in bars)
    named = [each.text for each in ElementTree.fromstring(drawings[-1]).iter("title")]
    assert set(signature.classes) <= set(named)


def test_without_a_version_only_the_features_are_compared(
    sample: Path, contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_MODEL_URI", str(tmp_path / "nothing"))
    said = f"\n0 of {len(contract.features)} columns have drifted\n"
    assert said in run("drift", sample, sample).output


def test_a_version_is_not_asked_about_columns_that_it_has_not_learned(
    filled: Path, contract: Contract, project: Path, tmp_path: Path
) -> None:
    """It takes columns by their place, so their order counts as well."""
    turned = tmp_path / "turned.toml"
    kinds = json.dumps(contract.classes)
    names = [column.name for column in reversed(contract.features)] + ["one more"]
    lines = [f"target = {json.dumps(contract.target)}", f"classes = {kinds}"]
    lines += [f"[[features]]\nname = {json.dumps(name)}" for name in names]
    turned.write_text("\n".join(lines), encoding="utf-8")
    with filled.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    wider = tmp_path / "wider.csv"
    with wider.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([[*header, "one more"], *([*r, "1"] for r in rows)])
    result = run("drift", wider, wider, "--contract", turned)
    assert result.exit_code == 1
    assert "expected the columns and classes that version" in str(result.exception)


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_reference_without_any_value_of_a_column_is_compared_quietly(
    filled: Path, artifact: Artifact, written: Written
) -> None:
    first = artifact.manifest.signature.features[0].name
    with filled.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    place = header.index(first)
    for row in rows:
        row[place] = ""
    result = run("drift", written("before.csv", [header, *rows]), filled)
    assert result.exit_code == 3
    verdicts = [line.split("  ")[-1].strip() for line in result.output.splitlines()]
    assert verdicts[1] == "moved"
    assert (verdicts.count("moved"), verdicts.count("not compared")) == (1, 1)


def test_a_version_without_a_reference_says_what_to_give_instead(
    artifact: Artifact, store: Store, sample: Path
) -> None:
    old = msgspec.structs.replace(artifact.manifest, reference=msgspec.UNSET)
    old = msgspec.structs.replace(old, version=version_of(old))
    version = store.put(Artifact(old, artifact.files))
    result = run("drift", version, sample)
    assert result.exit_code == 1
    assert str(result.exception).startswith(f"version {version} has no reference")
