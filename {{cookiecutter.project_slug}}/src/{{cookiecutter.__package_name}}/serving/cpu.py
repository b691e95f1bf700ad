"""One CPU budget for every thread pool, taken from the container's quota.

NumPy's BLAS and Numba count the host's cores, not the share that the container may use;
too many threads on too few cores makes everything slower. Must run before NumPy is
imported, so it imports nothing but the standard library.
"""

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
POOLS = (
    "NUMBA_NUM_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NPROC",  # JAX
    "TVM_NUM_THREADS",
)


def limit_threads(budget: float) -> int:
    """Set the size of every thread pool that the environment doesn't; returns the size.

    budget: cores, or 0 for the container's quota.
    """
    count = threads(budget)
    for name in POOLS:
        os.environ.setdefault(name, str(count))
    return count


def threads(budget: float) -> int:
    """One thread for each whole core of the budget, and at least one."""
    return max(1, int(budget or quota(CGROUP)))


def quota(cgroup: Path) -> float:
    """Cores that this process may use: its CPUs, or fewer if the quota says so."""
    cores = float(
        len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count() or 1
    )
    try:
        allowed, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if allowed == "max" else min(cores, int(allowed) / int(period))
