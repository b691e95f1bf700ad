"""`drift` from the command line: what it prints, writes and exits with."""

import json
import re
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


@pytest.fixture(autouse=True)
def here(project: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setenv("ML_MODEL_URI", str(store.root))


@pytest.fixture
def moved(sample: Path, tmp_path: Path) -> Path:
    """The sample, with an alcohol meter that shows 1.5 too little."""
    header, *rows = sample.read_text(encoding="utf-8").splitlines()
    assert header.startswith("alcohol,")
    cells = [row.partition(",") for row in rows]
    lines = [f"{float(first) - 1.5},{rest}" for first, _, rest in cells]
    path = tmp_path / "now<1>.csv"
    path.write_text("\n".join([header, *lines]), encoding="utf-8")
    return path


def run(*words: object) -> Result:
    return CliRunner().invoke(commands, list(map(str, words)))


@pytest.mark.parametrize("reference", ["file", "version"])
def test_the_same_data_has_not_drifted(
    sample: Path, store: Store, reference: str
) -> None:
    before = sample if reference == "file" else store.serving()
    result = run("drift", before, sample)
    assert result.exit_code == 0, result.output
    assert "\n0 of 14 columns have drifted\n" in result.output


@pytest.mark.parametrize("reference", ["file", "version"])
def test_data_that_moved_is_named_shown_and_exits_with_1(
    sample: Path, store: Store, moved: Path, tmp_path: Path, reference: str
) -> None:
    before = sample if reference == "file" else store.serving()
    page = tmp_path / "drift.html"
    result = run("drift", before, moved, "--json", "--output", page)
    assert result.exit_code == 1
    found = json.loads(result.output)
    assert found["drifted"] is True
    alcohol, malic_acid = found["columns"][:2]
    assert (alcohol["name"], alcohol["moved"]) == ("alcohol", True)
    assert alcohol["psi"] > 0.25
    assert (malic_acid["name"], malic_acid["moved"]) == ("malic_acid", False)
    text = page.read_text(encoding="utf-8")
    assert "now&lt;1&gt;.csv" in text, "escaped"
    assert "now<1>.csv" not in text
    assert not re.findall(r"(?:src|href|url)\s*[=(]", text), "nothing from elsewhere"
    drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawings) == 14
    bars = ElementTree.fromstring(drawings[0]).findall("rect")
    assert len(bars) == 20
    assert all(0 <= float(bar.get("height", "-1")) <= 96 for bar in bars)
    assert "barbera</text>" in drawings[-1]


def test_without_a_version_only_the_features_are_compared(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_MODEL_URI", str(tmp_path / "nothing"))
    assert "\n0 of 13 columns have drifted\n" in run("drift", sample, sample).output


def test_a_version_without_a_reference_says_what_to_give_instead(
    artifact: Artifact, store: Store, sample: Path
) -> None:
    old = msgspec.structs.replace(artifact.manifest, reference=msgspec.UNSET)
    old = msgspec.structs.replace(old, version=version_of(old))
    version = store.put(Artifact(old, artifact.files))
    result = run("drift", version, sample)
    assert result.exit_code == 1
    assert str(result.exception).startswith(f"version {version} has no reference")
