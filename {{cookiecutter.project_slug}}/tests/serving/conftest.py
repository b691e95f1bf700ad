"""Ready services for the tests of a module."""

from collections.abc import (
    Iterator,
)

import pytest
from asking import (
    Asked,
    asking,
)
from known import (
    known,
)
from processes import (
    Running,
    running,
)

from {{cookiecutter.__package_name}} import (
    MODEL_NAME,
)
from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.artifacts.store import (
    Store,
)
from {{cookiecutter.__package_name}}.settings import (
    Settings,
)


@pytest.fixture(scope="module")
def ask(artifact: Artifact) -> Iterator[Asked]:
    """What is shipped, or what has taken its place: learned from the sample."""
    with asking(artifact, Settings()) as asked:
        yield asked


@pytest.fixture(scope="module")
def ask_classes() -> Iterator[Asked]:
    """A known model with classes: `known.probabilities`."""
    with asking(known(), Settings()) as asked:
        yield asked


@pytest.fixture(scope="module")
def ask_numbers() -> Iterator[Asked]:
    """A known model of numbers: `known.values`."""
    with asking(known(classes=()), Settings()) as asked:
        yield asked


@pytest.fixture(scope="module")
def shared(
    artifact: Artifact, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Running, Store]]:
    """One service, ready, for the tests that leave it as it was."""
    store = Store(tmp_path_factory.mktemp("shared") / "models", MODEL_NAME)
    store.promote(store.put(artifact), "for the tests")
    limits = {"max_in_flight": 1, "max_queue": 1, "max_body_bytes": 4_000_000}
    with running(store, **limits) as service:
        service.wait_for("/v2/health/ready", 200)
        yield service, store
