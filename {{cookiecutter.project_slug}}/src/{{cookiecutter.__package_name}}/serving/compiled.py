"""Puts what `warm` compiled ahead where Numba finds it again.

Must run before Numba is imported, so it imports nothing but the standard library.
"""

import atexit
import logging
import os
import shutil
import tempfile
from pathlib import Path

log = logging.getLogger(__name__)

# Machine code for any processor of the architecture: an image runs on other processors
# than the one that built it. Numba's cache is keyed by both values.
ANY_CPU = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
# Docker gives each container its own /dev/shm, even one with a read-only root.
IN_MEMORY = Path("/dev/shm")  # noqa: S108  only mkdtemp writes there


def compile_into(folder: Path) -> None:
    """Let Numba keep what it compiles in `folder` from now on, creating the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.update({"NUMBA_CACHE_DIR": str(folder)})
    for name, value in ANY_CPU.items():
        os.environ.setdefault(name, value)


def use_compiled(folder: Path) -> None:
    """Let Numba load what is in `folder`, from a copy that is removed at exit.

    Numba reads a cache only where it may also write, which it may not in an image.
    Without a place for the copy, or with nothing to copy, kernels are compiled at the
    start: slower, but just as correct.
    """
    try:
        copy = Path(tempfile.mkdtemp(prefix="compiled-", dir=writable_folder()))
    except OSError as error:
        log.warning("no temporary folder, so nothing compiled ahead is used: %s", error)
        return
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    if folder.is_dir():
        shutil.copytree(folder, copy, dirs_exist_ok=True, copy_function=shutil.copyfile)
    compile_into(copy)


def writable_folder() -> Path:
    """A folder for temporary files; IN_MEMORY where Python finds no usable one."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        return IN_MEMORY
