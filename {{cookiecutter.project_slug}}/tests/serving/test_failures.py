"""Every named failure of a request has its status; nothing else is told."""

import json

import pytest

from {{cookiecutter.__package_name}} import (
    errors,
)
from {{cookiecutter.__package_name}}.serving.failures import (
    STATUSES,
    refuse,
)

CASES = [
    (errors.Malformed("JSON", "a novel"), 400),
    (errors.FieldInvalid("x", "a number", "a string"), 400),
    (errors.Unauthorised(), 401),
    (errors.UnknownPath("/x"), 404),
    (errors.MethodRefused("/x", "POST", "GET"), 405),
    (errors.BodyTooSlow(1.0), 408),
    (errors.BodyTooLarge("body", 1, "bytes", 2), 413),
    (errors.MediaUnsupported("content-type", "this", "that"), 415),
    (errors.NotReady("starting"), 503),
    (errors.Overloaded("all slots"), 503),
    (errors.DeadlineExceeded(1.0), 504),
]


@pytest.mark.parametrize(("error", "status"), CASES)
def test_each_failure_has_its_status_and_its_words(
    error: errors.ProjectError, status: int
) -> None:
    reply = refuse(error)
    assert reply.status == status
    assert json.loads(reply.body) == {"error": str(error)}


def test_no_row_of_the_table_is_untested() -> None:
    assert {type(error) for error, _ in CASES} == set(STATUSES)


def test_what_is_not_in_the_table_is_our_fault_and_stays_with_us() -> None:
    reply = refuse(errors.ArtifactCorrupt("a path of ours", "this", "that"))
    assert reply.status == 500
    assert json.loads(reply.body) == {"error": "internal error; see the log"}


def test_a_client_is_told_when_to_come_back() -> None:
    assert (b"retry-after", b"1") in refuse(errors.Overloaded("all slots")).headers
