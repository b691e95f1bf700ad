"""`smoke ADDRESS`: is what answers there live, right, and firm about mistakes?"""

import math
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

import click

from .. import MODEL_NAME
from .common import json_option, print_json, version_option
from .remote import KEY, Answer, Remote

TOLERANCE = 1e-5  # the engines agree with each other within this
NOT_YET = {404, 502, 503, 504}  # what balancers say while a service starts
PAUSE_S = 0.25
MODEL = f"/v2/models/{MODEL_NAME}"


class Failed(Exception):
    """A check failed; the message says what was expected and what came."""


class NotYet(Failed):
    """A check failed that may pass a moment later."""


@dataclass(frozen=True)
class Result:
    check: str
    passed: bool
    ms: int
    found: str


@dataclass
class Patience:
    """How long to wait for a start, over all checks; says once that it waits."""

    address: str
    seconds: float
    told: bool = False
    deadline: float = field(init=False)

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + self.seconds

    def wait(self, reason: NotYet) -> bool:
        """Wait a moment; False when the time is up."""
        if time.monotonic() + PAUSE_S >= self.deadline:
            return False
        if not self.told:
            self.told = True
            waiting = f"waiting up to {self.seconds:g} s for {self.address} to be ready"
            click.echo(f"{waiting}: {reason}", err=True)
        time.sleep(PAUSE_S)
        return True


@click.command(short_help="Ask a running service whether it works.")
@click.argument("address")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="Seconds that a start may take.",
)
@version_option("Version that must answer; by default any.")
@json_option
def smoke(address: str, timeout: float, version: str | None, as_json: bool) -> None:
    """Ask the service at ADDRESS whether it works, as a client would.

    Live, ready, metadata, a prediction, a refusal. The expected prediction is the one
    that was recorded when the version was made, so nothing but the address is needed.
    A key, if the service wants one, comes from the environment: SMOKE_API_KEY.
    """
    judged = judge(Remote(address), version, Patience(address, timeout))
    results = list(judged if as_json else printed(judged))
    passed = all(result.passed for result in results)
    if as_json:
        checks = [asdict(result) for result in results]
        print_json({"address": address, "passed": passed, "checks": checks})
    sys.exit(not passed)


def printed(results: Iterator[Result]) -> Iterator[Result]:
    """Print each result as soon as it is known; columns fit what a pass prints."""
    print_row("check", "", "ms", "found")
    for each in results:
        passed = "ok" if each.passed else "FAILED"
        print_row(each.check, passed, str(each.ms), each.found)
        yield each


def print_row(check: str, passed: str, ms: str, found: str) -> None:
    click.echo(f"{check:<10}  {passed:<2}  {ms:>2}  {found}".rstrip())


def judge(remote: Remote, version: str | None, patience: Patience) -> Iterator[Result]:
    """One result per check, in order; after a failure, only checks that still help."""
    metadata: dict[str, Any] = {}

    def check_metadata() -> str:
        metadata.update(read_metadata(remote, version))
        return f"{MODEL_NAME} {metadata['versions'][0]}"

    checks: dict[str, Callable[[], str]] = {
        "live": lambda: expect(remote, "/v2/health/live"),
        "ready": lambda: expect(remote, "/v2/health/ready"),
        "metadata": check_metadata,
        "prediction": lambda: check_prediction(remote, metadata),
        "refusal": lambda: check_refusal(remote),
    }
    for name, check in checks.items():
        began = time.monotonic()
        while True:
            try:
                passed, found = True, check()
            except NotYet as failure:
                if patience.wait(failure):
                    continue
                passed, found = False, f"{failure}, and the time is up"
            except Failed as failure:
                passed, found = False, str(failure)
            break
        yield Result(name, passed, round(1000 * (time.monotonic() - began)), found)
        if not passed and name != "prediction":
            return


@contextmanager
def well_formed(what: str, answer: Answer) -> Iterator[None]:
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise Failed(f"expected {what}, received {answer.body!r:.200}") from None


def ask(remote: Remote, path: str, body: object = None) -> Answer:
    try:
        answer = remote.ask(path, body)
    except OSError as error:
        raise NotYet(f"{path}: nobody answers: {error}") from None
    if answer.status == 401:
        problem = "is not valid" if remote.key else "is not set"
        raise Failed(f"{path}: 401; the environment's {KEY} {problem}")
    if answer.status in NOT_YET:
        raise NotYet(f"{path}: {answer.status} {answer.body!r:.200}")
    return answer


def expect(remote: Remote, path: str, body: object = None) -> str:
    return str(good(path, ask(remote, path, body)).status)


def good(path: str, answer: Answer) -> Answer:
    if answer.status != 200:
        raise Failed(
            f"{path}: expected 200, received {answer.status} {answer.body!r:.200}"
        )
    return answer


def read_metadata(remote: Remote, version: str | None) -> dict[str, Any]:
    answer = good(MODEL, ask(remote, MODEL))
    with well_formed("the metadata of a model", answer):
        metadata: dict[str, Any] = answer.body
        served = metadata["versions"][0]
        metadata["inputs"][0]["name"], metadata["parameters"]["features"][0]["median"]
    if version is not None and served != version:
        raise NotYet(f"expected version {version}, received {served}")
    return metadata


def check_prediction(remote: Remote, metadata: dict[str, Any]) -> str:
    """The answer to the recorded row, or to a row of medians if there is none."""
    parameters = metadata["parameters"]
    recorded = parameters.get("expected")
    row = recorded["row"] if recorded else [f["median"] for f in parameters["features"]]
    tensor = {
        "name": metadata["inputs"][0]["name"],
        "shape": [1, len(row)],
        "datatype": "FP64",
        "data": row,
    }
    # Name the version, or a canary may answer, and rightly differ.
    served = urllib.parse.quote(str(metadata["versions"][0]), safe="")
    path = f"{MODEL}/versions/{served}/infer"
    answer = good(path, ask(remote, path, {"inputs": [tensor]}))
    with well_formed("output tensors", answer):
        outputs = {each["name"]: list(each["data"]) for each in answer.body["outputs"]}
        first = next(iter(outputs.values()))[0]
    if not recorded:
        return f"{first}; the version recorded no answer to compare with"
    for name, expected in recorded["outputs"].items():
        if not same(expected, outputs.get(name)):
            raise Failed(f"{name}: expected {expected}, received {outputs.get(name)}")
    return f"{first}, as recorded"


def same(expected: list[Any], received: list[Any] | None) -> bool:
    if received is None or len(expected) != len(received):
        return False
    return all(
        (
            math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
            if isinstance(a, float | int) and isinstance(b, float | int)
            else a == b
        )
        for a, b in zip(expected, received, strict=True)
    )


def check_refusal(remote: Remote) -> str:
    """A wrong request is refused as the client's fault, in the one form of errors."""
    path = f"{MODEL}/infer"
    answer = ask(remote, path, {"inputs": []})
    with well_formed('400 and {"error": text}', answer):
        text = answer.body["error"]
        if answer.status != 400 or not isinstance(text, str):
            raise ValueError
    return f"400 {text}"
