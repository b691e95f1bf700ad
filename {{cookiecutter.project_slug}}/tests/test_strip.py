"""A library without its names still loads; what is none stays as it is."""

import subprocess
import sys
from pathlib import Path

import csimdjson
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ELF is Linux's format")

STRIP = Path(__file__).parents[1] / "tools" / "strip.py"
ASK = """
import csimdjson
parser = csimdjson.Parser()
print(csimdjson.__file__, parser.parse(b"[1, 2]").as_list())
"""


def test_a_library_is_shorter_and_still_loads(tmp_path: Path) -> None:
    library = Path(csimdjson.__file__)
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
        [sys.executable, "-c", ASK],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded.stdout == f"{copy} [1, 2]\n"
