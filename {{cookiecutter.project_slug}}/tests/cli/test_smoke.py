"""`smoke` against a real service behind a real socket, and against spoilt answers."""

import json
import re
import sys
import threading
from collections.abc import (
    Callable,
    Iterator,
)
from dataclasses import (
    dataclass,
    field,
)
from http.server import (
    BaseHTTPRequestHandler,
    ThreadingHTTPServer,
)

import pytest
from asking import (
    Asked,
    another,
    asking,
)
from known import (
    Known,
    KnownPredictor,
    known,
)

from {{cookiecutter.__package_name}} import (
    MODEL_NAME,
    cli,
)
from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.model.arrays import (
    Floats,
)
from {{cookiecutter.__package_name}}.model.predictor import (
    Outputs,
)
from {{cookiecutter.__package_name}}.settings import (
    Settings,
)

Tamper = Callable[[str, int, bytes], tuple[int, bytes]]
SERVED = known()
MODEL = f"/v2/models/{MODEL_NAME}"
INFER = f"{MODEL}/versions/{SERVED.manifest.version}/infer"
CHECKS = ["live", "ready", "metadata", "prediction", "refusal"]


class Contrary(KnownPredictor):
    def predict(self, X: Floats) -> Outputs:
        return super().predict(-X)


class Canary(Known, frozen=True):
    def predictor(self) -> KnownPredictor:
        return Contrary(self.manifest.signature.classes)


def unchanged(path: str, status: int, body: bytes) -> tuple[int, bytes]:
    return status, body


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    """A model with classes, whatever the project's own is."""
    return SERVED


@dataclass
class Bridge:
    """HTTP in, the service in this process asked, its answer out, tampered with."""

    asked: Asked
    address: str = ""
    tamper: Tamper = unchanged
    keys: list[str | None] = field(default_factory=list)


@pytest.fixture(scope="module")
def bridge(artifact: Artifact) -> Iterator[Bridge]:
    """A service whose canary gets all that names no version, and answers otherwise."""
    other = another(artifact)
    canary = Canary(other.manifest, other.files)
    settings = Settings(api_keys="sesame", canary_uri="other", canary_percent=100)
    with asking(artifact, settings, others={"other": canary}) as asked:
        bridge = Bridge(asked)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"] or 0))
                bridge.keys.append(self.headers["authorization"])
                headers = dict(self.headers)
                path = self.path.removeprefix("/below")
                answer = asked.client.request(
                    self.command, path, content=body, headers=headers
                )
                status, content = bridge.tamper(
                    path, answer.status_code, answer.content
                )
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815  the base class wants this name

            def log_message(self, *_: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            bridge.address = f"http://127.0.0.1:{server.server_port}/below/"
            threading.Thread(target=server.serve_forever).start()
            yield bridge
            server.shutdown()


@dataclass
class Smoke:
    """The command in this process."""

    bridge: Bridge
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def __call__(self, *options: str, address: str = "") -> tuple[int, str, str]:
        words = ["smoke", address or self.bridge.address, "--timeout", "0", *options]
        self.monkeypatch.setattr(sys, "argv", [MODEL_NAME, *words])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return (end.value.code, *self.capsys.readouterr())

    def failures(self, *options: str) -> list[tuple[str, str]]:
        """The checks that failed, and what they found."""
        code, out, _ = self("--json", *options)
        checks = json.loads(out)["checks"]
        assert code == 1
        return [(each["check"], each["found"]) for each in checks if not each["passed"]]

    def failure(self, *options: str) -> tuple[str, str]:
        (only,) = self.failures(*options)
        return only


@pytest.fixture
def smoke(
    bridge: Bridge,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Smoke:
    monkeypatch.setattr(bridge, "tamper", unchanged)
    monkeypatch.setenv("SMOKE_API_KEY", "sesame")
    return Smoke(bridge, capsys, monkeypatch)


def replaced(path: str, status: int, body: bytes) -> Tamper:
    def tamper(asked: str, *answer: object) -> tuple[int, bytes]:
        return (status, body) if asked == path else answer  # type: ignore[return-value]

    return tamper


def edited(path: str, pattern: str, by: str) -> Tamper:
    def tamper(asked: str, status: int, body: bytes) -> tuple[int, bytes]:
        if asked == path:
            body = re.sub(pattern, by, body.decode()).encode()
        return status, body

    return tamper


def test_a_service_that_works_passes_every_check(smoke: Smoke) -> None:
    code, out, err = smoke()
    lines = [re.split("  +", line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert [line[0] for line in lines[1:]] == CHECKS
    assert {line[1] for line in lines[1:]} == {"ok"}
    assert out.splitlines()[4].endswith(", as recorded")
    assert out.splitlines()[5].endswith(
        "  400 inputs: expected one tensor, 'features', received none"
    )
    assert set(smoke.bridge.keys) == {"Bearer sesame"}


def test_the_canary_of_these_tests_would_have_answered_otherwise(
    bridge: Bridge, artifact: Artifact
) -> None:
    bridge.asked.headers = {"authorization": "Bearer sesame"}
    answer = bridge.asked.v2(artifact.manifest.expected.row).json()
    assert answer["model_version"] != artifact.manifest.version
    assert answer["outputs"][0]["data"] != artifact.manifest.expected.outputs["label"]


def test_each_check_is_printed_as_soon_as_it_is_done(smoke: Smoke) -> None:
    printed: dict[str, str] = {}

    def tamper(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        printed[path] = smoke.capsys.readouterr().out
        return status, body

    smoke.bridge.tamper = tamper
    smoke()
    assert printed["/v2/health/live"] == "check           ms  found\n"
    assert re.fullmatch(r"live        ok  [ \d]\d+  200\n", printed["/v2/health/ready"])


def test_json_says_the_same(smoke: Smoke) -> None:
    code, out, _ = smoke("--json")
    said = json.loads(out)
    assert (code, said["passed"]) == (0, True)
    assert said["address"] == smoke.bridge.address
    assert [each["check"] for each in said["checks"]] == CHECKS
    assert all(each["passed"] and each["ms"] >= 0 for each in said["checks"])


def test_the_version_can_be_demanded(smoke: Smoke, artifact: Artifact) -> None:
    version = artifact.manifest.version
    assert smoke("--version", version)[0] == 0
    expected = f"expected version 7, received {version}, and the time is up"
    assert smoke.failure("--version", "7") == ("metadata", expected)


@pytest.mark.parametrize(
    ("tamper", "check", "found"),
    [
        (
            edited(INFER, r'"data":\["', '"data":["x'),
            "prediction",
            r"label: expected \['\w+'\], received \['x\w+'\]",
        ),
        (
            edited(INFER, r"0\.\d\d", "0.5"),
            "prediction",
            r"probabilities: expected \[.*\], received \[.*0\.5.*\]",
        ),
        (
            edited(INFER, r'"probabilities"', '"chances"'),
            "prediction",
            r"probabilities: expected .* received None",
        ),
        (replaced(INFER, 200, b"<html>"), "prediction", "expected output tensors, .*"),
        (
            replaced(INFER, 500, b"{}"),
            "prediction",
            ".*: expected 200, received 500 .*",
        ),
        (
            replaced(MODEL, 200, b"[]"),
            "metadata",
            "expected the metadata of a model, .*",
        ),
        (replaced("/v2/health/live", 301, b""), "live", ".*: expected 200, .* 301 ''"),
        (
            replaced("/v2/health/ready", 503, b'{"error":"not ready"}'),
            "ready",
            ".*: 503 {'error': 'not ready'}, and the time is up",
        ),
    ],
)
def test_what_is_wrong_is_named(
    smoke: Smoke, tamper: Tamper, check: str, found: str
) -> None:
    smoke.bridge.tamper = tamper
    failed, said = smoke.failures()[0]
    assert failed == check
    assert re.fullmatch(found, said), said


@pytest.mark.parametrize("answer", [b'{"detail": "no"}', b"no", b'{"error": 7}'])
def test_a_mistake_must_be_refused_in_the_one_form(smoke: Smoke, answer: bytes) -> None:
    def tamper(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        return (status, answer) if status == 400 else (status, body)

    smoke.bridge.tamper = tamper
    check, said = smoke.failure()
    assert check == "refusal"
    assert said.startswith('expected 400 and {"error": text}, received ')


def test_a_mistake_that_is_accepted_is_a_failure(smoke: Smoke) -> None:
    smoke.bridge.tamper = lambda _, status, body: (
        200 if status == 400 else status,
        body,
    )
    assert smoke.failure()[0] == "refusal"


def test_without_a_recorded_example_the_answer_is_not_compared(smoke: Smoke) -> None:
    smoke.bridge.tamper = edited(MODEL, r'"expected":\{.*?\}\}', '"expected":null')
    code, out, _ = smoke()
    assert code == 0
    assert "; the version recorded no answer to compare with" in out


def test_a_key_that_is_missing_or_wrong_is_named_and_never_shown(smoke: Smoke) -> None:
    smoke.monkeypatch.delenv("SMOKE_API_KEY")
    said = "401; the environment's SMOKE_API_KEY is not set"
    assert smoke.failure() == ("metadata", f"{MODEL}: {said}")
    smoke.monkeypatch.setenv("SMOKE_API_KEY", "hunter2")
    check, found = smoke.failure()
    assert (check, found.endswith("SMOKE_API_KEY is not valid")) == ("metadata", True)
    assert "hunter2" not in found


def test_the_end_of_a_line_is_no_part_of_a_key(smoke: Smoke) -> None:
    """It would end in a traceback, with the key in it."""
    smoke.monkeypatch.setenv("SMOKE_API_KEY", " sesame\r\n")
    assert smoke()[0] == 0
    smoke.monkeypatch.setenv("SMOKE_API_KEY", "se\rsame")
    code, _, err = smoke()
    assert code == 1
    assert err.startswith("error: SMOKE_API_KEY: expected visible ASCII characters")
    assert "same" not in err


def test_it_waits_for_a_service_that_is_starting(smoke: Smoke) -> None:
    starting = [503, 404, 502]

    def tamper(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        return (starting.pop(), b"") if starting else (status, body)

    smoke.bridge.tamper = tamper
    code, _, err = smoke("--timeout", "20")
    assert (code, starting) == (0, [])
    waiting = f"waiting up to 20 s for {smoke.bridge.address} to be ready: "
    assert err == f"{waiting}/v2/health/live: 502 ''\n", "once"


def test_nobody_there_is_told_after_the_time_is_up(smoke: Smoke) -> None:
    code, out, err = smoke(address="http://127.0.0.1:1")
    assert (code, err) == (1, "")
    assert "/v2/health/live: nobody answers: " in out
    assert len(out.splitlines()) == 2


@pytest.mark.parametrize("address", ["127.0.0.1:8080", "ftp://host", "http://", "/x"])
def test_an_address_that_is_none_is_refused(smoke: Smoke, address: str) -> None:
    code, out, err = smoke(address=address)
    assert (code, out) == (1, "")
    said = f"ADDRESS: expected http:// or https:// and a host, received {address!r}"
    assert err == f"error: {said}\n"
