"""What was compiled ahead is found again; its absence costs time and nothing else."""

import os
import tempfile
from pathlib import (
    Path,
)

import pytest

from {{cookiecutter.__package_name}}.serving import (
    compiled,
)
from {{cookiecutter.__package_name}}.serving.compiled import (
    compile_into,
    use_compiled,
)

NAMES = ("NUMBA_CACHE_DIR", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture
def baked(tmp_path: Path) -> Path:
    """A folder as `warm` leaves it, in an image that nobody can write to."""
    folder = tmp_path / "baked"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "predict.nbi").write_bytes(b"index")
    (folder / "model" / "predict.nbi").chmod(0o444)
    return folder


def test_warm_and_serve_name_the_same_processor(baked: Path) -> None:
    compile_into(baked)
    named = {name: os.environ[name] for name in NAMES}
    use_compiled(baked)
    assert named | {"NUMBA_CACHE_DIR": os.environ["NUMBA_CACHE_DIR"]} == {
        name: os.environ[name] for name in NAMES
    }
    assert (named["NUMBA_CPU_NAME"], named["NUMBA_CPU_FEATURES"]) == ("generic", "")


def test_a_processor_that_the_environment_names_is_kept(
    baked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CPU_NAME", "x86-64-v3")
    compile_into(baked)
    assert os.environ["NUMBA_CPU_NAME"] == "x86-64-v3"


def test_the_folder_is_made_when_it_is_not_there(tmp_path: Path) -> None:
    compile_into(tmp_path / "a" / "b")
    assert Path(os.environ["NUMBA_CACHE_DIR"]).is_dir()


def test_it_is_read_by_way_of_a_copy_that_can_be_written(baked: Path) -> None:
    use_compiled(baked)
    copy = Path(os.environ["NUMBA_CACHE_DIR"])
    assert copy != baked
    assert (copy / "model" / "predict.nbi").read_bytes() == b"index"
    (copy / "model" / "predict.nbi").write_bytes(b"newer")
    assert (baked / "model" / "predict.nbi").read_bytes() == b"index"


def test_a_missing_folder_leaves_a_place_to_compile_into(tmp_path: Path) -> None:
    use_compiled(tmp_path / "nowhere")
    assert list(Path(os.environ["NUMBA_CACHE_DIR"]).iterdir()) == []


def nothing_writable() -> str:
    raise FileNotFoundError("No usable temporary directory found")


def test_without_temporary_folders_memory_takes_the_copy(
    baked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", nothing_writable)
    monkeypatch.setattr(compiled, "IN_MEMORY", tmp_path)
    use_compiled(baked)
    assert Path(os.environ["NUMBA_CACHE_DIR"]).parent == tmp_path


def test_where_nothing_can_be_written_it_says_so_and_goes_on(
    baked: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", nothing_writable)
    monkeypatch.setattr(compiled, "IN_MEMORY", tmp_path / "none")
    use_compiled(baked)
    assert "NUMBA_CACHE_DIR" not in os.environ
    assert "so nothing compiled ahead is used" in caplog.text
