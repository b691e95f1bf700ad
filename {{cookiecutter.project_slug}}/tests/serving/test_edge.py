"""One pass over every request: the same bytes on both ways, and every duty done."""

import asyncio
import gzip
import io
import json
import re
import threading
import time

import numpy as np
import pytest
from asking import (
    V1,
    V2,
    Asked,
    asking,
    scrape,
)
from fastapi import (
    FastAPI,
)
from known import (
    CLASSES,
    ROWS,
    Known,
    KnownPredictor,
    known,
    probabilities,
    values,
)
from starlette.testclient import (
    TestClient,
)

from {{cookiecutter.__package_name}}.app import (
    create_api,
)
from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.errors import (
    StoreUnreachable,
)
from {{cookiecutter.__package_name}}.model import (
    engine,
)
from {{cookiecutter.__package_name}}.model.arrays import (
    Floats,
)
from {{cookiecutter.__package_name}}.model.predictor import (
    Outputs,
    Predictor,
    compilations,
)
from {{cookiecutter.__package_name}}.serving import (
    service as service_module,
)
from {{cookiecutter.__package_name}}.serving.bodies import (
    SMALL,
)
from {{cookiecutter.__package_name}}.serving.edge import (
    Edge,
)
from {{cookiecutter.__package_name}}.serving.limits import (
    Workers,
)
from {{cookiecutter.__package_name}}.serving.service import (
    MEDIUM,
    Service,
)
from {{cookiecutter.__package_name}}.settings import (
    Settings,
)
from {{cookiecutter.__package_name}}.training.dataset import (
    Table,
)


def test_v1_answers_with_labels_and_probabilities(ask_classes: Asked) -> None:
    answer = ask_classes.v1(ROWS.tolist()).json()["predictions"]
    expected = probabilities(ROWS)
    best = expected.argmax(axis=1)
    assert [each["label"] for each in answer] == [CLASSES[c] for c in best]
    assert [each["probabilities"] for each in answer] == expected.tolist()


def test_v1_answers_with_numbers(ask_numbers: Asked) -> None:
    answer = ask_numbers.v1(ROWS.tolist()).json()
    assert answer == {"predictions": values(ROWS).tolist()}


def test_v2_answers_what_v1_answers(ask_classes: Asked) -> None:
    n = len(ROWS)
    v1 = ask_classes.v1(ROWS.tolist()).json()["predictions"]
    v2 = ask_classes.v2(ROWS.ravel().tolist(), n, id="abc").json()
    label, shares = v2["outputs"]
    assert v2["id"] == "abc"
    assert v2["model_version"] == ask_classes.edge.service.version
    assert label == {
        "name": "label",
        "shape": [n],
        "datatype": "BYTES",
        "data": [each["label"] for each in v1],
    }
    assert shares["shape"] == [n, 3]
    assert shares["data"] == [p for each in v1 for p in each["probabilities"]]


def test_v2_answers_with_numbers(ask_numbers: Asked) -> None:
    (value,) = ask_numbers.v2(ROWS.ravel().tolist(), len(ROWS)).json()["outputs"]
    assert value == {
        "name": "value",
        "shape": [len(ROWS)],
        "datatype": "FP64",
        "data": values(ROWS).tolist(),
    }


def test_binary_tensors_in_both_directions(ask_classes: Asked) -> None:
    n, d = ROWS.shape
    tail = ROWS.astype("<f8").tobytes()
    tensor = {
        "name": "features",
        "shape": [n, d],
        "datatype": "FP64",
        "parameters": {"binary_data_size": len(tail)},
    }
    head = json.dumps(
        {"inputs": [tensor], "parameters": {"binary_data_output": True}}
    ).encode()
    answer = ask_classes.client.post(
        V2,
        content=head + tail,
        headers={
            "content-type": "application/octet-stream",
            "inference-header-content-length": str(len(head)),
        },
    )
    assert answer.headers["content-type"] == "application/octet-stream"
    length = int(answer.headers["inference-header-content-length"])
    label, shares = json.loads(answer.content[:length])["outputs"]
    rest = answer.content[length:]
    labels = rest[: label["parameters"]["binary_data_size"]]
    numbers = rest[label["parameters"]["binary_data_size"] :]
    expected = probabilities(ROWS)
    first = CLASSES[expected[0].argmax()].encode()
    assert labels.startswith(len(first).to_bytes(4, "little") + first)
    assert len(numbers) == shares["parameters"]["binary_data_size"] == n * 3 * 8
    np.testing.assert_array_equal(np.frombuffer(numbers).reshape(n, 3), expected)


def test_only_the_outputs_that_were_asked_for_are_sent(ask_classes: Asked) -> None:
    ask = ask_classes
    answer = ask.v2(ask.row, outputs=[{"name": "probabilities"}]).json()
    assert [each["name"] for each in answer["outputs"]] == ["probabilities"]
    refused = ask.v2(ask.row, outputs=[{"name": "logits"}])
    assert refused.status_code == 400
    assert refused.json() == {
        "error": "outputs: expected some of label, probabilities, received logits"
    }


@pytest.mark.parametrize("path", [V1, V2])
def test_the_hot_and_the_documented_way_answer_the_same_bytes(
    ask: Asked, path: str
) -> None:
    """The documented application is asked alone, and by the path with a version."""
    ask.client.get("/openapi.json")
    api = TestClient(ask.edge._api.result(), raise_server_exceptions=False)
    name, colon, verb = path.rpartition(":")
    version = f"versions/{ask.edge.service.version}"
    longer = (
        f"{name}/{version}:{verb}"
        if colon
        else path.replace("infer", version + "/infer")
    )
    width = len(ask.row)
    tensor = {"name": "features", "shape": [1, width], "datatype": "FP64"}
    bodies = [
        json.dumps({"instances": [ask.row]}),
        json.dumps({"instances": [ask.row] * 3000}),
        json.dumps({"inputs": [{**tensor, "data": ask.row}], "id": "x"}),
        json.dumps({"inputs": [{**tensor, "data": [ask.row]}]}),
        json.dumps({"instances": [["no"]]}),
        "{",
        "",
    ]
    for body in bodies:
        headers = {"content-type": "application/json"}
        hot = ask.client.post(path, content=body, headers=headers)
        alone = api.post(path, content=body, headers=headers)
        versioned = ask.client.post(longer, content=body, headers=headers)
        assert hot.content == alone.content == versioned.content
        assert hot.status_code == alone.status_code == versioned.status_code
        assert hot.headers["content-type"] == alone.headers["content-type"]
        assert versioned.headers["x-model-version"] == ask.edge.service.version


def test_a_request_keeps_its_id_when_the_id_is_harmless(ask: Asked) -> None:
    kept = ask.client.get("/v2/health/live", headers={"x-request-id": "abc-1.2_3"})
    assert kept.headers["x-request-id"] == "abc-1.2_3"
    for harmful in ('a"b', "a b", "a" * 65, ""):
        given = {"x-request-id": harmful}
        answer = ask.client.get("/v2/health/live", headers=given)
        assert re.fullmatch(r"[0-9a-f]{12}-[0-9a-f]+", answer.headers["x-request-id"])


def test_a_gzip_body_is_read(ask: Asked) -> None:
    body = gzip.compress(json.dumps({"instances": [ask.row]}).encode())
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    answer = ask.client.post(V1, content=body, headers=headers)
    assert answer.json() == ask.v1([ask.row]).json()


@pytest.mark.parametrize(
    ("headers", "status", "message"),
    [
        (
            {"content-type": "text/csv"},
            415,
            "content-type: expected application/json, received 'text/csv'",
        ),
        (
            {"content-encoding": "br"},
            415,
            "content-encoding: expected gzip, deflate or none, received 'br'",
        ),
        (
            {"inference-header-content-length": "-1"},
            400,
            "Inference-Header-Content-Length: expected a number of bytes, "
            "received -1",
        ),
    ],
)
def test_headers_that_cannot_be_served_are_refused(
    ask: Asked, headers: dict[str, str], status: int, message: str
) -> None:
    answer = ask.client.post(V2, content=b"{}", headers=headers)
    assert answer.status_code == status
    assert answer.json() == {"error": message}


def test_a_content_type_with_a_charset_is_json(ask: Asked) -> None:
    body = json.dumps({"instances": [ask.row]})
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    assert ask.client.post(V1, content=body, headers=headers).status_code == 200


def test_too_many_bytes_or_rows_are_refused() -> None:
    with asking(known(), Settings(max_body_bytes=2000, max_rows=2)) as ask:
        rows = ask.v1([ask.row] * 3)
        assert rows.status_code == 413
        assert rows.json() == {"error": "rows: expected at most 2 rows, got 3"}
        long = ask.v1([ask.row] * 1000)
        assert long.status_code == 413
        assert "body: expected at most 2000 bytes, got " in long.json()["error"]
        chunks = iter([b" " * 1500, b" " * 1500])
        assert ask.client.post(V1, content=chunks).status_code == 413
        bomb = gzip.compress(bytes(1_000_000))
        headers = {"content-encoding": "gzip"}
        assert ask.client.post(V1, content=bomb, headers=headers).status_code == 413


def test_nothing_is_compiled_after_ready(ask: Asked, table: Table) -> None:
    ask.v1([ask.row])
    before = compilations()
    for rows in (1, 2, 3, len(table.X)):
        ask.v1(table.X[:rows].tolist())
        ask.v2(table.X[:rows].tolist(), rows)
    ask.v1([dict(zip(ask.edge.service.predictor.features, ask.row, strict=True))])
    assert compilations() == before


def test_keys_guard_everything_but_health_docs_and_metrics(artifact: Artifact) -> None:
    with asking(artifact, Settings(api_keys="old-key, new-key")) as ask:
        refused = ask.v1([ask.row])
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert refused.json() == {
            "error": "authorization: expected 'Bearer' and a valid key, received none "
            "that is"
        }
        for value in ("Bearer wrong", "new-key", "Basic new-key", "Bearer", ""):
            ask.headers = {"authorization": value}
            assert ask.v1([ask.row]).status_code == 401
        for key in ("old-key", "new-key"):
            ask.headers = {"authorization": f"Bearer {key}"}
            assert ask.v1([ask.row]).status_code == 200
        for path in ("/v2", "/v2/models/any", "/anything"):
            assert ask.client.get(path).status_code == 401
        for path in ("/docs", "/openapi.json", "/metrics", "/v2/health/ready"):
            assert ask.client.get(path).status_code == 200


def test_a_fault_of_our_own_tells_the_client_nothing(
    ask: Asked, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(X: object) -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(ask.edge.service, "predict", broken)
    answer = ask.v1([ask.row])
    assert answer.status_code == 500
    assert answer.json() == {"error": "internal error; see the log"}
    assert "the secret of the house" in caplog.text


@pytest.mark.parametrize("rows", [1, 2, 3000])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_answer_that_is_no_number_is_a_fault_and_no_answer(
    ask: Asked,
    rows: int,
    value: float,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    predict = ask.edge.service.predict

    def wrong(X: Floats) -> Outputs:
        outputs = predict(X)
        changed = outputs[name].copy()
        changed[-1] = value
        return {**outputs, name: changed}

    data = [ask.row] * rows
    name = ask.edge.service.outputs[-1]
    assert ask.v1(data).status_code == 200
    monkeypatch.setattr(ask.edge.service, "predict", wrong)
    binary = {"binary_data_output": True}
    for answer in (
        ask.v1(data),
        ask.v2(data, rows),
        ask.v2(data, rows, parameters=binary),
    ):
        assert answer.status_code == 500
    said = f"the model's {name} of row {rows - 1} is not finite"
    assert caplog.text.count(f"FloatingPointError: {said}") == 3


def test_a_service_that_drains_answers_but_is_not_ready(artifact: Artifact) -> None:
    with asking(artifact, Settings()) as ask:
        ask.edge.service.drain()
        ready = ask.client.get("/v2/health/ready")
        assert ready.status_code == 503
        assert ready.json() == {"error": "not ready: draining; try again later"}
        assert ready.headers["retry-after"] == "1"
        answer = ask.v1([ask.row])
        assert answer.status_code == 200
        assert answer.headers["connection"] == "close"
        assert ask.client.get("/v2/health/live").status_code == 200


def test_a_service_whose_model_is_broken_is_live_and_says_so(
    caplog: pytest.LogCaptureFixture, artifact: Artifact
) -> None:
    files = dict.fromkeys(artifact.files, b"rubbish")
    with asking(type(artifact)(artifact.manifest, files), Settings()) as ask:
        assert ask.client.get("/v2/health/live").json() == {"live": True}
        for answer in (
            ask.client.get("/v2/health/ready"),
            ask.v1([ask.row]),
            ask.client.get(f"/v2/models/{ask.edge.service.name}"),
        ):
            assert answer.status_code == 503
            assert answer.json() == {
                "error": "not ready: failed to start; try again later"
            }
        assert "the model can't be served" in caplog.text


def test_a_store_that_cannot_be_reached_is_tried_again_until_it_can(
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    artifact: Artifact,
) -> None:
    monkeypatch.setattr(service_module, "RETRY_AFTER_S", 0.001)
    monkeypatch.setattr(service_module, "RETRY_AT_MOST_S", 0.001)
    answers = [StoreUnreachable("s3://models", "no route")] * 2 + [artifact]
    phases = []

    def load() -> Artifact:
        phases.append(service.phase)
        answer = answers.pop(0)
        if isinstance(answer, StoreUnreachable):
            raise answer
        return answer

    service = Service(Settings(), load)
    asyncio.run(service.start())
    assert phases == ["starting"] * 3
    assert service.version == artifact.manifest.version
    told = [each.message for each in caplog.records if each.levelname == "ERROR"]
    assert len(told) == 2
    assert told[0].startswith("no model yet, next try in 0.001 s: s3://models: can't")


def test_head_is_answered_without_a_body(ask: Asked) -> None:
    answer = ask.client.head("/v2/health/live")
    assert answer.status_code == 200
    assert answer.content == b""


def test_routes_of_your_own_get_the_same_duties(
    artifact: Artifact, caplog: pytest.LogCaptureFixture
) -> None:
    def create_own(service: Service) -> FastAPI:
        api = create_api(service)

        @api.get("/own/{number}")
        async def own(number: int) -> dict[str, float]:
            return {"result": 1 / number}

        return api

    with asking(artifact, Settings(api_keys="key"), create_own) as ask:
        assert ask.client.get("/own/2").status_code == 401
        given = {"authorization": "Bearer key", "x-request-id": "mine"}
        answer = ask.client.get("/own/2", headers=given)
        assert answer.json() == {"result": 0.5}
        assert answer.headers["x-request-id"] == "mine"
        wrong = ask.client.get("/own/two", headers=given)
        assert wrong.status_code == 400
        assert wrong.json()["error"].startswith("path.number: expected Input should be")
        broken = ask.client.get("/own/0", headers=given)
        assert broken.status_code == 500
        assert broken.json() == {"error": "internal error; see the log"}
        assert "ZeroDivisionError" in caplog.text


def test_head_and_wrong_methods_are_answered_on_every_route(ask: Asked) -> None:
    for path in ("/v2", "/metrics", "/docs", "/v2/health/live"):
        answer = ask.client.head(path)
        assert answer.status_code == 200
        assert answer.content == b""
    for path in ("/metrics", "/v2/health/ready"):
        answer = ask.client.post(path)
        assert answer.status_code == 405
        assert answer.json() == {"error": f"{path}: expected GET, received POST"}


def test_a_proxy_may_leave_its_prefix_on_the_path(artifact: Artifact) -> None:
    with asking(artifact, Settings(root_path="/docs", api_keys="key")) as ask:
        assert ask.client.get("/docs/v2/health/ready").status_code == 200
        assert ask.client.get("/docs/v2").status_code == 401
        ask.headers = {"authorization": "Bearer key"}
        body = {"instances": [ask.row]}
        answer = ask.client.post("/docs" + V1, json=body, headers=ask.headers)
        assert answer.json() == ask.v1([ask.row]).json()


def test_a_path_that_only_begins_like_the_prefix_is_left_whole(
    artifact: Artifact,
) -> None:
    """The proxy has cut off /v; what is left begins with its letters again."""
    with asking(artifact, Settings(root_path="/v", api_keys="key")) as ask:
        for path in ("/v2/health/live", "/v/v2/health/live"):
            assert ask.client.get(path).status_code == 200, path
        assert ask.client.get("/v/v/v2/health/live").status_code == 401


def test_the_documented_routes_wait_for_the_model_they_describe(
    artifact: Artifact,
) -> None:
    """A page that was made too early would describe a model without features."""
    go_on = threading.Event()

    def load() -> Artifact:
        assert go_on.wait(20)
        return artifact

    edge = Edge(Service(Settings(), load), create_api)
    with TestClient(edge) as client:
        for path in ("/docs", "/v2", "/openapi.json"):
            answer = client.get(path)
            assert answer.status_code == 503
            assert answer.json() == {"error": "not ready: starting; try again later"}
        assert client.get("/v2/health/live").status_code == 200
        go_on.set()
        asked = Asked(edge, client, [])
        asked.wait_until(lambda: edge.service.ready)
        request = client.get("/openapi.json").json()["paths"][
            "/v1/models/{model}:predict"
        ]["post"]["requestBody"]["content"]["application/json"]
        features = artifact.manifest.signature.features
        assert len(request["example"]["instances"][0]) == len(features)


def test_an_application_that_cannot_be_made_leaves_its_reason_in_the_log(
    artifact: Artifact, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Service) -> FastAPI:
        raise RuntimeError("no database")

    edge = Edge(Service(Settings(), lambda: artifact), broken)
    with TestClient(edge, raise_server_exceptions=False) as client:
        Asked(edge, client, []).wait_until(lambda: "no database" in caplog.text)
        assert client.get("/v2/health/ready").status_code == 503
        assert client.get("/v2").status_code == 500


@pytest.mark.parametrize("keys", ["", "key"])
def test_a_path_of_the_client_s_own_is_no_label_and_no_text_of_the_log(
    artifact: Artifact, keys: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = io.StringIO()
    with asking(artifact, Settings(api_keys=keys)) as ask:
        monkeypatch.setattr(ask.edge.telemetry, "_out", log)
        for path in ("/a", "/b", "/%22%7D%0A%7B%22level%22:%22error%22%7D"):
            assert ask.client.get(path).status_code == (401 if keys else 404)
        known = set(scrape(ask))
    routes = {told[1] for name, told in known if name == "http_requests_total"}
    assert not routes & {"/a", "/b"}
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["level"] for line in lines] == ["info"] * len(lines)
    assert not {line["route"] for line in lines} & {"/a", "/b"}


def test_a_large_answer_is_the_same_as_many_small_ones(
    ask_classes: Asked,
) -> None:
    """Encoding goes slice by slice, so that no other request has to wait for long."""
    ask, rows = ask_classes, np.tile(ROWS, (90, 1))
    large = ask.v1(rows.tolist()).json()["predictions"]
    small = ask.v1(ROWS.tolist()).json()["predictions"] * 90
    assert [each["label"] for each in large] == [each["label"] for each in small]
    for one, other in zip(large, small, strict=True):
        assert one["probabilities"] == pytest.approx(other["probabilities"], rel=1e-12)
    outputs = ask.v2(rows.ravel().tolist(), len(rows)).json()["outputs"]
    assert outputs[0]["data"] == [each["label"] for each in large]
    assert outputs[1]["data"] == [p for each in large for p in each["probabilities"]]


@pytest.mark.parametrize(
    ("size", "turns", "threads"),
    [(32_768, 0, 0), (32_769, 1, 0), (100_000, 1, 0), (100_001, 0, 1)],
)
def test_a_larger_request_gets_its_turn_or_a_thread(
    size: int, turns: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[str] = []

    def counted(name: str) -> None:
        way = getattr(Workers, name)

        async def way_and_count(*arguments: object) -> object:
            taken.append(name)
            return await way(*arguments)

        monkeypatch.setattr(Workers, name, way_and_count)

    counted("in_turn")
    counted("run")
    monkeypatch.setattr(service_module, "brief_body", lambda *_: 100_000)
    with asking(known(), Settings()) as ask:
        body = json.dumps({"instances": [ask.row]}).ljust(size)
        answer = ask.client.post(V1, content=body)
        assert answer.json() == ask.v1([ask.row]).json()
        assert (taken.count("in_turn"), taken.count("run")) == (turns, threads)


def test_a_model_is_opened_beside_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A candidate may come when the service has long been asked."""
    opened: list[threading.Thread] = []
    predictor = Known.predictor

    def watched(self: Known) -> Predictor:
        opened.append(threading.current_thread())
        return predictor(self)

    monkeypatch.setattr(Known, "predictor", watched)
    service = Service(Settings(), known)
    asyncio.run(service.start())
    service.close()
    assert service.predictor is not None
    assert threading.main_thread() not in opened


def test_a_slow_model_keeps_nobody_else_waiting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is asked a typical row at its warm-up: one of zeros may be quick, as here."""
    quick, names = KnownPredictor.predict, set()

    def slow(self: KnownPredictor, X: Floats) -> Outputs:
        time.sleep(0.002 if X.any() else 0)
        names.add(threading.current_thread().name.partition("_")[0])
        return quick(self, X)

    monkeypatch.setattr(KnownPredictor, "predict", slow)
    with asking(known(), Settings()) as ask:
        names.clear()
        assert ask.v1([ask.row]).status_code == ask.v2(ask.row).status_code == 200
        assert names == {"predict"}, "the threads of Workers"
    assert "slow: requests of more than 0 bytes go to threads" in caplog.text


@pytest.mark.parametrize(
    ("anew", "folder", "warned"), [(2, "x", 1), (0, "x", 0), (2, "", 0)]
)
def test_a_start_that_had_to_compile_what_was_compiled_ahead_says_so(
    artifact: Artifact,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    anew: int,
    folder: str,
    warned: int,
) -> None:
    monkeypatch.setattr(service_module, "compiled_anew", lambda: anew)
    with asking(artifact, Settings(compiled_dir=folder)):
        pass
    said = f"2 {engine.COUNTED} had to be compiled, which slowed down the start; "
    assert caplog.text.count(said) == warned


@pytest.fixture
def quick(ask: Asked, monkeypatch: pytest.MonkeyPatch) -> Service:
    """The service that is asked, as one whose warm-up has found a quick model.

    On a busy machine, or with another engine, it may have found a slow one.
    """
    service = ask.edge.service
    monkeypatch.setattr(service, "small", SMALL)
    monkeypatch.setattr(service, "medium", MEDIUM)
    monkeypatch.setattr(service, "_long", 0)
    return service


def test_a_model_that_turns_out_slow_leaves_the_event_loop(
    ask: Asked,
    quick: Service,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The warm-up asks a row of medians, which may be a quick one."""
    monkeypatch.setattr(service_module, "LONG_S", 0.0)
    assert [ask.v1([ask.row]).status_code for _ in range(4)] == [200] * 4
    assert quick.at_once > 0
    monkeypatch.setattr(service_module, "LONG_S", 60.0)
    ask.v1([ask.row])  # so it was a hiccup
    monkeypatch.setattr(service_module, "LONG_S", 0.0)
    assert [ask.v1([ask.row]).status_code for _ in range(7)] == [200] * 7
    assert (quick.small, quick.medium) == (0, 0)
    said = "the model's answers take longer than at the warm-up: all requests go to"
    assert caplog.text.count(said) == 1


def test_quick_refusals_between_its_answers_do_not_hide_a_slow_model(
    ask: Asked, quick: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        monkeypatch.setattr(service_module, "LONG_S", 0.0)
        assert ask.v1([ask.row]).status_code == 200
        monkeypatch.setattr(service_module, "LONG_S", 60.0)
        assert ask.v1([["no"]]).status_code == 400
    assert (quick.small, quick.medium) == (0, 0)
