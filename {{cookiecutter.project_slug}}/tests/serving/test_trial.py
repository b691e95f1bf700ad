"""A canary gets its share and a shadow its copies; neither can hurt the service."""

import asyncio
import io
import json
import logging
import threading

import msgspec
import pytest
from asking import (
    V1,
    V2,
    Asked,
    another,
    asking,
    scrape,
)
from known import (
    known,
)

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.errors import (
    SettingInvalid,
)
from {{cookiecutter.__package_name}}.serving import (
    service as service_module,
)
from {{cookiecutter.__package_name}}.serving import (
    trial as trial_module,
)
from {{cookiecutter.__package_name}}.serving.service import (
    Service,
)
from {{cookiecutter.__package_name}}.serving.trial import (
    Trial,
    new_service,
    reason_against,
)
from {{cookiecutter.__package_name}}.settings import (
    Settings,
)

VERSION = "x-model-version"


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    """A model with classes, whatever the project's own is."""
    return known()


@pytest.fixture(scope="module")
def other(artifact: Artifact) -> Artifact:
    return another(artifact)


def answered_by(ask: Asked, key: object) -> str:
    ask.headers = {"x-canary-key": str(key)}
    return ask.v1([ask.row]).headers[VERSION]


def test_without_a_trial_the_service_is_the_plain_one(artifact: Artifact) -> None:
    assert type(new_service(Settings(), lambda _: artifact)) is Service


def test_a_share_without_a_version_is_refused(artifact: Artifact) -> None:
    with pytest.raises(SettingInvalid, match="ML_CANARY_PERCENT: expected ML_CANARY_"):
        new_service(Settings(canary_percent=5), lambda _: artifact)


def test_a_key_decides_and_goes_on_to_decide_as_the_share_grows(
    artifact: Artifact, other: Artifact
) -> None:
    """Of 300 keys 30 % are about 90; in every process the same ones."""
    chosen = {}
    for percent in (30, 60):
        settings = Settings(canary_uri="b", canary_percent=percent)
        for process in (1, 2):
            trial = Trial(settings, lambda _: artifact)
            trial._salt = other.manifest.version.encode()
            keys = {k for k in range(300) if trial.goes_to_canary(header(k))}
            assert keys == chosen.setdefault(percent, keys), process
    assert 60 < len(chosen[30]) < 120
    assert chosen[30] < chosen[60]
    trial._salt = b"another canary"
    assert {k for k in range(300) if trial.goes_to_canary(header(k))} != chosen[60]


def header(key: int) -> dict[bytes, bytes]:
    return {b"x-canary-key": b"%d" % key, b"x-request-id": b"never looked at"}


def test_a_request_without_a_key_goes_by_its_id_or_by_lot(artifact: Artifact) -> None:
    trial = Trial(Settings(canary_uri="b", canary_percent=50), lambda _: artifact)
    assert len({trial.goes_to_canary({b"x-request-id": b"7"}) for _ in range(50)}) == 1
    assert len({trial.goes_to_canary({}) for _ in range(50)}) == 2


def test_the_slower_of_the_two_says_what_a_small_request_is(
    artifact: Artifact, other: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = iter((900, 100, 100, 900))
    monkeypatch.setattr(service_module, "brief_body", lambda *_: next(measured))
    settings = Settings(canary_uri="other", canary_percent=50)
    for _ in range(2):
        with asking(artifact, settings, others={"other": other}) as ask:
            assert ask.edge.service.at_once == 100


def test_the_answer_says_who_gave_it_and_so_do_metrics_and_log(
    artifact: Artifact, other: Artifact
) -> None:
    settings = Settings(canary_uri="other", canary_percent=50)
    with asking(artifact, settings, others={"other": other}) as ask:
        ours, theirs = artifact.manifest.version, other.manifest.version
        out = ask.edge.telemetry._out = io.StringIO()
        by = {key: answered_by(ask, key) for key in range(20)}
        assert set(by.values()) == {ours, theirs}
        for key, version in by.items():
            assert answered_by(ask, key) == version, "sticky"
            assert ask.v2(ask.row).json()["model_version"] == version
        seen = scrape(ask)
        for version in (ours, theirs):
            keys = sum(each == version for each in by.values())
            assert seen["http_requests_total", ("200", V1, version)] == 2 * keys
            assert seen["http_request_seconds_count", ("200", V2, version)] == keys
        assert seen["trial_ready", ("canary", theirs)] == 1
        ask.edge.telemetry.flush()
        lines = map(json.loads, out.getvalue().splitlines())
        logged = [line["version"] for line in lines if line["route"] == V1]
        assert logged == [*by.values(), *by.values()]


def test_a_path_that_names_the_version_gets_that_one(
    artifact: Artifact, other: Artifact
) -> None:
    settings = Settings(canary_uri="other", canary_percent=100)
    with asking(artifact, settings, others={"other": other}) as ask:
        ours = artifact.manifest.version
        named = V1.replace(":predict", f"/versions/{ours}:predict")
        answer = ask.client.post(named, json={"instances": [ask.row]})
        assert (answer.status_code, answer.headers[VERSION]) == (200, ours)
        longer = V1.replace("/v1/", "//v1/").replace("//", "/")
        assert (
            ask.client.post(longer, json={"instances": [ask.row]}).headers[VERSION]
            == other.manifest.version
        )
        with ask.client.websocket_connect(V1.replace(":predict", "/stream")) as stream:
            stream.send_json({"instances": [ask.row]})
            assert "predictions" in stream.receive_json()


def test_a_fault_of_the_canary_is_counted_as_its_own(
    artifact: Artifact,
    other: Artifact,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(X: object) -> None:
        raise RuntimeError("not ready for the world")

    settings = Settings(canary_uri="other", canary_percent=100)
    with asking(artifact, settings, others={"other": other}) as ask:
        theirs = other.manifest.version
        assert ask.v1([["no"]]).headers[VERSION] == theirs
        monkeypatch.setattr(ask.edge.service.canary, "predict", broken)
        answer = ask.v1([ask.row])
        assert (answer.status_code, answer.headers[VERSION]) == (500, theirs)
        assert f"version {theirs} failed" in caplog.text
        seen = scrape(ask)
        assert seen["http_requests_total", ("500", V1, theirs)] == 1
        assert seen["http_requests_total", ("400", V1, theirs)] == 1


@pytest.mark.parametrize("role", ["canary", "shadow"])
def test_a_trial_that_cannot_be_loaded_is_left_out_and_said_to_be(
    artifact: Artifact, caplog: pytest.LogCaptureFixture, role: str
) -> None:
    uri, settings = f"{role}_uri", Settings(canary_uri="b", canary_percent=100)
    if role == "shadow":
        settings = Settings(shadow_uri="b")
    with asking(artifact, settings) as ask:
        assert getattr(settings, uri) == "b"
        assert ask.client.get("/v2/health/ready").status_code == 200
        assert ask.v1([ask.row]).headers[VERSION] == artifact.manifest.version
        assert scrape(ask)["trial_ready", (role, "")] == 0
        assert f"served without the {role}: it could not be loaded" in caplog.text
    errors = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert len(errors) == 2


@pytest.mark.parametrize("role", ["canary", "shadow"])
def test_a_trial_whose_store_is_slow_joins_when_it_can(
    artifact: Artifact,
    other: Artifact,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    role: str,
) -> None:
    monkeypatch.setattr(trial_module, "PATIENCE_S", 0.01)
    away = threading.Event()

    def load(uri: str) -> Artifact:
        if uri != "other":
            return artifact
        assert away.wait(20)
        return other

    async def tried() -> tuple[object, object]:
        trial = new_service(Settings(**{f"{role}_uri": "other"}), load)
        assert isinstance(trial, Trial)
        await trial.start()
        assert trial.predictor is not None
        assert trial.stuck
        before = getattr(trial, role)
        away.set()
        await asyncio.gather(*trial._starts)
        trial.close()
        return before, getattr(trial, role)

    before, after = asyncio.run(tried())
    assert f"served without the {role} until it has started" in caplog.text
    assert before is None
    assert after is not None


def test_a_canary_that_never_ends_takes_no_slot_of_the_service(
    artifact: Artifact, other: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "brief_body", lambda *_: 0)  # all to threads
    settings = Settings(
        canary_uri="other", canary_percent=50, max_in_flight=1, deadline_s=0.5
    )
    ended = threading.Event()
    with asking(artifact, settings, others={"other": other}) as ask:
        theirs = other.manifest.version
        keys = [str(key) for key in range(20)]
        by = {key: answered_by(ask, key) for key in keys}
        canary = next(key for key in keys if by[key] == theirs)
        ours = next(key for key in keys if by[key] != theirs)
        monkeypatch.setattr(ask.edge.service.canary, "predict", lambda _: ended.wait())
        ask.headers = {"x-canary-key": canary}
        assert ask.v1([ask.row]).status_code == 504
        assert scrape(ask)["requests_in_flight", ()] == 1
        ask.headers = {"x-canary-key": ours}
        assert ask.v1([ask.row]).status_code == 200
        ended.set()


def test_a_fault_of_the_canary_is_found_by_the_id_of_its_request(
    artifact: Artifact, other: Artifact, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(canary_uri="other", canary_percent=100)
    with asking(artifact, settings, others={"other": other}) as ask:
        canary = ask.edge.service.canary
        canary.predict = lambda X: 1 / 0
        answer = ask.v1([ask.row])
    said = f"request {answer.headers['x-request-id']} by version {canary.version}"
    [failed] = [each for each in caplog.records if said in each.getMessage()]
    assert failed.exc_info is not None
    assert failed.exc_info[0] is ZeroDivisionError


def test_a_service_without_a_model_tries_nothing(other: Artifact) -> None:
    settings = Settings(canary_uri="other", shadow_uri="other")
    damaged = Artifact(other.manifest, {})
    with asking(damaged, settings, others={"other": other}) as ask:
        assert ask.client.get("/v2/health/ready").status_code == 503
        assert ask.v1([[1.0]]).status_code == 503


def test_only_what_takes_and_gives_the_same_can_stand_in(
    artifact: Artifact, other: Artifact
) -> None:
    ours, theirs = artifact.manifest, other.manifest
    assert reason_against(theirs, ours) == ""
    assert reason_against(ours, ours) == f"{ours.version} is the version in service"
    signature = theirs.signature
    for change, part in (
        ({"features": signature.features[1:]}, "features: expected ['length', "),
        ({"classes": ("a", "b")}, "classes: expected ["),
    ):
        changed = msgspec.structs.replace(signature, **change)
        manifest = msgspec.structs.replace(theirs, signature=changed)
        assert reason_against(manifest, ours).startswith(part)


def test_a_shadow_sees_what_was_answered_and_answers_nobody(
    artifact: Artifact, other: Artifact
) -> None:
    with asking(artifact, Settings(shadow_uri="other"), others={"other": other}) as ask:
        for _ in range(3):
            answer = ask.v1([ask.row, ask.row])
            assert answer.headers[VERSION] == artifact.manifest.version
        shadow = ask.edge.service.shadow
        ask.wait_until(lambda: shadow.compared == 3)
        label = answer.json()["predictions"][0]["label"]
        theirs = other.manifest.version
        seen = scrape(ask)
        assert seen["shadow_requests_total", ("compared", theirs)] == 3
        assert seen["shadow_answers_total", (label, label, theirs)] == 6
        assert seen["shadow_difference_bucket", ("0.001", theirs)] == 6
        assert seen["shadow_predict_seconds_total", ("shadow", theirs)] > 0
    ask.wait_until(lambda: not shadow._thread.is_alive())
