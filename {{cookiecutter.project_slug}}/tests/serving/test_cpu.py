"""One budget for every pool, from the container's quota."""

import os
from pathlib import (
    Path,
)

import pytest

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.serving.cpu import (
    POOLS,
    limit_threads,
    quota,
)
from {{cookiecutter.__package_name}}.serving.service import (
    Service,
)
from {{cookiecutter.__package_name}}.settings import (
    Settings,
)

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


@pytest.mark.parametrize(
    ("text", "cores"), [("50000 100000", 0.5), ("100000 100000", 1.0)]
)
def test_the_quota_is_read_from_the_container(
    tmp_path: Path, text: str, cores: float
) -> None:
    (tmp_path / "cpu.max").write_text(text + "\n")
    assert quota(tmp_path) == cores


@pytest.mark.parametrize("text", [None, "max 100000", "rubbish", "1 2 3"])
def test_without_a_quota_it_is_the_cores_of_the_process(
    tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "cpu.max").write_text(text)
    assert quota(tmp_path) == (CORES or os.cpu_count())


def test_every_pool_gets_the_budget_and_at_least_one_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in POOLS:
        monkeypatch.delenv(name, raising=False)
    assert limit_threads(0.5) == 1
    assert {os.environ[name] for name in POOLS} == {"1"}


@pytest.mark.parametrize(
    ("settings", "threads"),
    [
        (Settings(cpu_budget=3.9), 3),
        (Settings(cpu_budget=0.5), 1),
        (Settings(cpu_budget=3, max_in_flight=5), 5),
    ],
)
def test_large_requests_get_a_thread_per_core_unless_a_number_is_set(
    settings: Settings, threads: int, artifact: Artifact
) -> None:
    assert Service(settings, lambda: artifact).workers.threads == threads


def test_what_the_environment_says_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in POOLS:
        monkeypatch.setenv(name, "7")
    assert limit_threads(3) == 3
    assert {os.environ[name] for name in POOLS} == {"7"}
