"""A library without its names still loads; what is none stays as it is."""

import subprocess
import sys
from pathlib import Path

import pytest
from httptools.parser import (
    url_parser,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ELF is Linux's format")

STRIP = Path(__file__).parents[1] / "tools" / "strip.py"
ASK = "import ctypes, sys; print(ctypes.PyDLL(sys.argv[1]).PyInit_url_parser.__name__)"


def test_a_library_is_shorter_and_still_loads(tmp_path: Path) -> None:
    library = Path(url_parser.__file__)
    copy = tmp_path / library.name
    copy.write_bytes(library.read_bytes())
    (tmp_path / "a.so").write_bytes(b"no library")
    (tmp_path / "link.so").symlink_to(copy)
    said = subprocess.run(
        [sys.executable, STRIP, tmp_path], capture_output=True, text=True, check=True
    )
    assert " MB of names cut" in said.stdout
    assert copy.stat().st_size < library.stat().st_size
    assert (tmp_path / "a.so").read_bytes() == b"no library"
    loaded = subprocess.run(
        [sys.executable, "-c", ASK, copy],
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded.stdout == "PyInit_url_parser\n"
