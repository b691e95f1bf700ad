"""A plugin for the product's tests: only those that can tell which model it holds.

They stand in tests/model, use the data or what was learned from it, or name the
estimator. Tests of a service as a process are left out: one runs beside them.
"""

from pathlib import Path

import pytest

OF_THE_MODEL = {"artifact", "contract", "sample", "store", "table", "thresholds"}
AS_A_PROCESS = {"test_server.py", "test_journey.py"}


def can_tell(item: pytest.Item) -> bool:
    file: Path = item.path
    if file.name in AS_A_PROCESS:
        return False
    if file.parent.name == "model" or "import (\n    Estimator," in file.read_text():
        return True
    # A module's own fixture of that name is a model that only the tests know.
    defined = item._fixtureinfo.name2fixturedefs  # pytest has no public way to ask
    learned = {name for name in OF_THE_MODEL if name in item.fixturenames}
    return any(defined[name][-1].baseid == "tests" for name in learned)


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    left_out = [item for item in items if not can_tell(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
