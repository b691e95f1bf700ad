"""What `warm` compiled ahead, put where Numba finds it again.

Must run before Numba is imported, so it imports nothing but the standard library.
"""

import atexit
import logging
import os
import shutil
import tempfile
from pathlib import Path

log = logging.getLogger(__name__)

# Machine code for any processor of its kind: an image is not run by the one that built
# it. Numba's cache is keyed by both names.
ANY_CPU = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
# Docker gives each container its own /dev/shm, even one with a read-only root.
IN_MEMORY = Path("/dev/shm")  # noqa: S108  only mkdtemp writes there


def compile_into(folder: Path) -> None:
    """From now on Numba keeps what it compiles in `folder`, made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.update({"NUMBA_CACHE_DIR": str(folder)})
    for name, value in ANY_CPU.items():
        os.environ.setdefault(name, value)


def use_compiled(folder: Path) -> None:
    """Let Numba load what is in `folder`, by way of a copy that lasts as long as we do.

    Numba reads a cache only where it may also write, which in an image it may not.
    Without a place for the copy, or with nothing to copy, kernels are compiled at the
    start: slower, and as right.
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
    """Where temporary files go; fails: OSError when nothing can be written to."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        return IN_MEMORY
