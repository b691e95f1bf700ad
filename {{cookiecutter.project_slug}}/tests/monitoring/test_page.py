"""What a metrics page says of two versions, and what it doesn't."""

import json
import math
from collections.abc import (
    Callable,
)
from contextlib import (
    nullcontext,
)
from http.server import (
    BaseHTTPRequestHandler,
    HTTPServer,
)
from pathlib import Path
from threading import (
    Thread,
)

import msgspec
import pytest
from asking import (
    another,
    asking,
)
from click.testing import (
    CliRunner,
    Result,
)
from known import (
    known,
)

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
    Learned,
)
from {{cookiecutter.__package_name}}.artifacts.store import (
    Store,
)
from {{cookiecutter.__package_name}}.cli import (
    commands,
)
from {{cookiecutter.__package_name}}.cli.comparing import (
    check_unseen,
)
from {{cookiecutter.__package_name}}.errors import (
    ProjectError,
)
from {{cookiecutter.__package_name}}.monitoring.page import (
    measured,
    read_page,
)
from {{cookiecutter.__package_name}}.monitoring.verdict import (
    BETTER,
    NO_WORSE,
    OPEN,
    WORSE,
    overall,
)
from {{cookiecutter.__package_name}}.settings import (
    Settings,
)
from {{cookiecutter.__package_name}}.training.dataset import (
    digest,
)
from {{cookiecutter.__package_name}}.training.held_out import (
    ADOPTED,
)


def count_of(labels: str, value: int, name: str = "http_requests_total") -> str:
    return name + "{" + labels + "} " + str(value)


def page(*sides: tuple[str, int, int, int]) -> str:
    """A page with, for each version, requests, those that failed, those over 10 ms."""
    lines = [count_of('name="m",version="a"', 1, "model_info")]
    for version, requests, failed, slow in sides:
        labels = f'route="/v1/models/m:predict",version="{version}"'
        good = requests - failed
        lines += [
            count_of(f'{labels},code="200"', good),
            count_of(f'{labels},code="503"', failed),
            count_of(f'route="/metrics",version="{version}",code="500"', 999),
        ]
        for le, count in (
            ("0.005", good - 10 * slow),
            ("0.01", good - slow),
            ("+Inf", good),
        ):
            bucket = f'{labels},code="200",le="{le}"'
            name = "http_request_seconds_bucket"
            lines.append(count_of(bucket, max(count, 0), name))
            # A refusal is quick, and says nothing of how long an answer takes.
            lines.append(count_of(bucket.replace("200", "400"), 99_999, name))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("b", "verdict"),
    [
        (("b", 5000, 5, 250), NO_WORSE),
        (("b", 5000, 200, 250), WORSE),
        (("b", 5000, 5, 900), WORSE),
        (("b", 5000, 0, 10), BETTER),
        (("b", 100, 0, 5), OPEN),
        (("b", 20, 0, 0), OPEN),
    ],
)
def test_failures_and_slow_answers_decide(
    b: tuple[str, int, int, int], verdict: str
) -> None:
    found = read_page(page(("a", 50_000, 50, 2500), b))
    assert (found.serving, found.other()) == ("a", "b")
    both = measured(found.sides["a"], found.sides["b"], 0.02)
    assert [each.name for each in both] == ["failures", "slower than 10 ms"]
    assert overall(both) == verdict


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<html>", "expected a page of Prometheus"),
        ("up 1\n", "expected model_info"),
    ],
)
def test_another_page_is_refused(text: str, message: str) -> None:
    with pytest.raises(ProjectError, match=message):
        read_page(text)


def test_one_version_alone_is_no_comparison() -> None:
    with pytest.raises(ProjectError, match="expected two versions, received one"):
        read_page(page(("a", 10, 0, 0))).other()


def run(*words: object) -> Result:
    return CliRunner().invoke(commands, ["compare", *map(str, words)])


def test_a_service_with_a_shadow_says_how_often_they_agree(
    tmp_path: Path,
) -> None:
    saved, artifact = tmp_path / "metrics.txt", known()
    settings = Settings(shadow_uri="b")
    with asking(artifact, settings, others={"b": another(artifact)}) as ask:
        for _ in range(40):
            ask.v1([ask.row])
        ask.wait_until(lambda: ask.edge.service.shadow.compared == 40)
        saved.write_text(ask.client.get("/metrics").text, encoding="utf-8")
    result = run("--metrics", saved)
    assert result.exit_code == 3, "agreement is no reason to promote"
    assert (
        "40 requests compared, 0 dropped, 0 failed; mean difference 0\n"
        in result.output
    )
    lines = result.output.splitlines()
    assert lines[1].startswith("B ")
    assert lines[3].startswith("as a shadow: "), "no table of nothing"
    assert "the same label for 100.00% of 40 rows (91.24% to 100.00%)" in result.output
    assert "B is undecided" in result.output
    assert "only a canary answers, or give --data" in result.output
    found = json.loads(run("--metrics", saved, "--json").output)
    assert found["verdict"] == OPEN
    assert found["shadow"]["agreement"][0] == 1.0
    unknown = run("--metrics", saved, "nobody")
    assert "expected 'nobody', received " in str(unknown.exception)


def test_a_canary_is_judged_by_what_it_did(tmp_path: Path) -> None:
    saved = tmp_path / "metrics.txt"
    saved.write_text(page(("a", 50_000, 50, 2500), ("b", 5000, 0, 10)))
    result = run("--metrics", saved)
    assert result.exit_code == 0, result.output
    assert "B is better (95 % intervals, margin 0.01)" in result.output
    assert "Labels are unknown here" in result.output
    saved.write_text(page(("a", 50_000, 50, 2500), ("b", 100, 0, 5)))
    result = run("--metrics", saved, "a", "b")
    assert result.exit_code == 3
    assert "of each would decide a difference like this" in result.output


def test_labelled_rows_decide_between_two_versions(
    store: Store,
    artifact: Artifact,
    sample: Path,
    cells: list[list[str]],
    written: Callable[[str, list[list[str]]], Path],
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same answers: of 45 rows held out nothing is known, of 1,780 it is.

    Numbers that never differ are no worse at once, unlike labels.
    """
    monkeypatch.chdir(project)
    monkeypatch.setenv("ML_MODEL_URI", str(store.root))
    b = store.put(another(artifact))
    header, *rows = cells
    step = max(1, len(rows) // 45)
    few = written("few.csv", [header, *rows[::step][:45]])
    # More rows may be held out than these, and decide.
    held_out = [sample] if artifact.manifest.evaluation.rows <= 45 else []
    for data in (few, *held_out):
        result = run(b, "--data", data)
        if artifact.manifest.signature.classes:
            assert result.exit_code == 3
            assert "B is undecided" in result.output
    enough = math.ceil(1780 / len(rows))
    many = written("labelled.csv", [header, *rows * enough])
    result = run(store.serving(), b, "--data", many)
    assert result.exit_code == 0, result.output
    assert "B is no worse" in result.output
    assert "Labels are unknown" not in result.output


def test_rows_that_one_version_has_learned_from_are_no_judge(
    store: Store,
    artifact: Artifact,
    sample: Path,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setenv("ML_MODEL_URI", str(store.root))
    made = artifact.manifest.provenance
    split = {**made.split, "seed": 7}
    manifest = msgspec.structs.replace(
        artifact.manifest, provenance=msgspec.structs.replace(made, split=split)
    )
    b = store.put(another(Artifact(manifest, artifact.files)))
    result = run(b, "--data", sample)
    assert "has learned from rows of this file" in str(result.exception)


def test_rows_that_both_hold_out_are_a_judge_however_many_were_left_out(
    store: Store, artifact: Artifact, sample: Path
) -> None:
    made = artifact.manifest.provenance
    for split, same in (
        ({**made.split, "repeated_rows_left_out": 3}, True),
        ({**made.split, "test_share": 0.5}, False),
    ):
        changed = msgspec.structs.replace(made, split=split)
        manifest = msgspec.structs.replace(artifact.manifest, provenance=changed)
        b = Artifact(manifest, artifact.files)
        with nullcontext() if same else pytest.raises(ProjectError, match="learned"):
            check_unseen(artifact, b, sample)


def test_a_version_from_elsewhere_knows_no_more_of_a_file_than_one_that_never_saw_it(
    artifact: Artifact, sample: Path
) -> None:
    made = artifact.manifest.provenance
    changes = {"split": {"method": ADOPTED}}, {"data_sha256": "another"}
    adopted, other = (
        Artifact(
            msgspec.structs.replace(
                artifact.manifest, provenance=msgspec.structs.replace(made, **change)
            ),
            artifact.files,
        )
        for change in changes
    )
    check_unseen(adopted, other, sample)
    with pytest.raises(ProjectError, match="learned"):
        check_unseen(adopted, artifact, sample)


def test_nor_are_rows_that_a_version_before_it_has_learned_from(
    store: Store,
    artifact: Artifact,
    cells: list[list[str]],
    written: Callable[[str, list[list[str]]], Path],
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setenv("ML_MODEL_URI", str(store.root))
    today = written("today.csv", [cells[0], *cells[1::2]])
    made = artifact.manifest.provenance
    earlier = (Learned(digest(today), made.split), *made.learned)
    third = msgspec.structs.replace(made, data_sha256="other", earlier=earlier)
    manifest = msgspec.structs.replace(artifact.manifest, provenance=third)
    b = store.put(another(Artifact(manifest, artifact.files)))
    result = run(b, "--data", today)
    assert "has learned from rows of this file" in str(result.exception)


def test_the_page_of_a_running_service_is_read(tmp_path: Path) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(page(("a", 50_000, 50, 2500), ("b", 5000, 0, 10)).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        result = run("--metrics", f"http://127.0.0.1:{server.server_port}/metrics")
        thread.join()
    assert "B is better" in result.output


def test_what_is_missing_or_too_much_is_wrong_usage(sample: Path) -> None:
    for words, complaint in (
        (["b"], "either --data or --metrics"),
        (["a", "b", "c", "--data", sample], "two versions at most"),
        (["--data", sample], "--data needs the version to judge"),
    ):
        result = run(*words)
        assert result.exit_code == 2
        assert complaint in result.output


def test_an_address_that_does_not_answer_is_named() -> None:
    address = "http://127.0.0.1:1/metrics"
    result = run("--metrics", address)
    assert str(result.exception).startswith(f"--metrics: can't read {address}: ")
