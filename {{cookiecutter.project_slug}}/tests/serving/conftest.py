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

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
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
