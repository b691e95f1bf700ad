"""What is counted and what is logged."""

import io
import json
import logging
from typing import (
    Literal,
)

import pytest
from asking import (
    V1,
    asking,
    scrape,
)
from known import (
    FEATURES,
    known,
)

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.serving.failures import (
    Reply,
)
from {{cookiecutter.__package_name}}.serving.telemetry import (
    JsonLines,
    log_as_json,
)
from {{cookiecutter.__package_name}}.settings import (
    Settings,
)


def test_requests_are_counted_by_route_code_and_version(artifact: Artifact) -> None:
    with asking(artifact, Settings()) as ask:
        version = ask.edge.service.version
        for _ in range(3):
            ask.v1([ask.row, ask.row])
        ask.v1([["no"]])
        ask.client.get("/nowhere")
        seen = scrape(ask)
        assert seen["http_requests_total", ("200", V1, version)] == 3
        assert seen["http_requests_total", ("400", V1, version)] == 1
        assert seen["http_requests_total", ("404", "other", version)] == 1
        assert seen["http_request_seconds_count", ("200", V1, version)] == 3
        assert seen["http_request_seconds_bucket", ("200", "+Inf", V1, version)] == 3
        assert seen["predicted_rows_total", ()] == 6
        assert seen["model_ready", ()] == 1
        assert seen["requests_shed_total", ()] == 0
        assert seen["model_info", (ask.edge.service.name, version)] == 1


def test_what_is_asked_and_answered_is_watched() -> None:
    with asking(known(), Settings()) as ask:
        ask.v1([ask.row, ask.row])
        ask.v2(ask.row)
        first, last = (feature.name for feature in FEATURES)
        ask.v1([{first: None, last: 0.5}])
        ask.v1([[1.0, None]])
        ask.v1([["no"]])
        seen = scrape(ask)
        assert seen["watched_rows_total", ()] == 3
        assert seen["feature_missing_total", (first,)] == 1
        assert seen["feature_missing_total", (last,)] == 1
        assert seen["drift_psi", ("feature", first)] > 0
        ask.v1([ask.row])
        ask.wait_until(lambda: ask.edge.service.live.rows == 4)


def test_every_request_leaves_one_line_that_is_json(artifact: Artifact) -> None:
    with asking(artifact, Settings()) as ask:
        out = ask.edge.telemetry._out = io.StringIO()
        trace = "0af7651916cd43dd8448eb211c80319c"
        ask.headers = {
            "x-request-id": "abc",
            "traceparent": f"00-{trace}-b7ad6b7169203331-01",
        }
        ask.v1([ask.row])
        ask.headers = {"traceparent": 'x","injected":"yes'}
        ask.client.get('/nowhere%22%0A{}"')
        ask.edge.telemetry.flush()
        first, second = map(json.loads, out.getvalue().splitlines())
        assert first.pop("time").endswith("Z")
        assert first.pop("ms") > 0
        assert first == {
            "level": "info",
            "event": "request",
            "request_id": "abc",
            "trace_id": trace,
            "method": "POST",
            "route": V1,
            "status": 200,
            "rows": 1,
        }
        assert second["route"] == "other"
        assert "injected" not in second
        assert str(ask.row[-1]) not in out.getvalue(), "payloads are never logged"


@pytest.mark.parametrize("path", [V1, V1.replace(":", "/versions/VERSION:")])
def test_a_refused_request_says_which_rule_it_broke_and_not_what_was_sent(
    artifact: Artifact, path: str
) -> None:
    with asking(artifact, Settings()) as ask:
        out = ask.edge.telemetry._out = io.StringIO()
        path = path.replace("VERSION", ask.edge.service.version)
        ask.client.post(path, json={"instances": [ask.row, ["secret", *ask.row[1:]]]})
        ask.client.post(path, content='{"secret')
        ask.edge.telemetry.flush()
        rules = [json.loads(line)["refused"] for line in out.getvalue().splitlines()]
        assert rules == ["instances[1][0]: expected a number", "body: expected JSON"]
        assert "secret" not in out.getvalue()


def test_a_long_rule_takes_one_line_of_the_log(artifact: Artifact) -> None:
    with asking(artifact, Settings()) as ask:
        out = ask.edge.telemetry._out = io.StringIO()
        reply = Reply(b"", 400, refused='a "name"\n' * 99)
        ask.client.portal.call(
            ask.edge.telemetry.record, "POST", V1, reply, 0.0, "abc", ""
        )
        ask.edge.telemetry.flush()
        (line,) = out.getvalue().splitlines()
        assert json.loads(line)["refused"].startswith('a "name"\na "name"')
        assert len(line) < 500


@pytest.mark.parametrize(
    ("level", "lines"), [("debug", 1), ("info", 1), ("warning", 0), ("error", 0)]
)
def test_a_request_is_worth_a_line_of_level_info(
    artifact: Artifact, level: Literal["debug", "info", "warning", "error"], lines: int
) -> None:
    with asking(artifact, Settings(log_level=level)) as ask:
        out = ask.edge.telemetry._out = io.StringIO()
        ask.v1([ask.row])
        ask.edge.telemetry.flush()
        assert len(out.getvalue().splitlines()) == lines
        series = ("200", V1, ask.edge.service.version)
        assert scrape(ask)["http_requests_total", series] == 1, "counted all the same"


def test_a_broken_pipe_breaks_no_request(artifact: Artifact) -> None:
    class Broken(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    with asking(artifact, Settings()) as ask:
        ask.edge.telemetry._out = Broken()
        assert ask.v1([ask.row]).status_code == 200
        ask.edge.telemetry.flush()


def test_ordinary_records_take_the_same_form() -> None:
    try:
        raise ValueError("what was wrong")
    except ValueError as error:
        record = logging.LogRecord(
            "a.name",
            logging.ERROR,
            "",
            1,
            "it %s",
            ("broke",),
            (type(error), error, None),
        )
    line = json.loads(JsonLines().format(record))
    assert line["time"].endswith("Z")
    assert line["level"] == "error"
    assert line["event"] == "it broke"
    assert line["error"] == "what was wrong"
    assert "ValueError" in line["traceback"]


def test_the_whole_process_logs_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        log_as_json("info")
        logging.getLogger("anything").info("hello")
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    assert json.loads(capsys.readouterr().out)["event"] == "hello"
