"""One ready service for the tests of a module."""

from collections.abc import (
    Iterator,
)

import pytest
from asking import (
    Asked,
    asking,
)

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.settings import (
    Settings,
)


@pytest.fixture(scope="module")
def ask(artifact: Artifact) -> Iterator[Asked]:
    with asking(artifact, Settings()) as asked:
        yield asked
