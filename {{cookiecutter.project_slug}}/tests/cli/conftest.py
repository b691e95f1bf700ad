"""The command line in this process, and versions for it to work on."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from line import (
    put_a_line,
)
from outcomes import (
    Outcome,
    Run,
)

from {{cookiecutter.__package_name}} import (
    MODEL_NAME,
    cli,
)
from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Evaluation,
    Feature,
    Signature,
    build,
)
from {{cookiecutter.__package_name}}.artifacts.store import (
    Store,
)
from {{cookiecutter.__package_name}}.model import (
    engine,
)


@pytest.fixture
def run(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Run]:
    """The whole command line in this process; its store is that of `store`."""
    for name in list(os.environ):
        if name == "PORT" or name.startswith("ML_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ML_MODEL_URI", str(tmp_path / "models"))
    monkeypatch.chdir(project)
    on_sigterm = signal.getsignal(signal.SIGTERM)

    def run(*words: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", [MODEL_NAME, *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return Outcome(end.value.code, *capsys.readouterr())

    yield run
    signal.signal(signal.SIGTERM, on_sigterm)


@pytest.fixture
def lenient(tmp_path: Path) -> list[str]:
    """Options of thresholds that any model passes, however little it has learned."""
    path = tmp_path / "lenient.toml"
    path.touch()
    return ["--thresholds", str(path)]


@pytest.fixture
def line(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A stored version that predicts numbers, y = 2x; data, and options that fit it."""
    put_a_line(monkeypatch)
    x = Feature("x", "", 0.0, 1.0, 2.0)
    judged = Evaluation(rows=2, metrics={"mae": 0.0, "rmse": 0.0, "r2": 1.0})
    made = store.get().manifest.provenance
    line = build(
        MODEL_NAME,
        engine.files({"slope": np.array([2.0])}),
        Signature("regression", "y", (x,), ()),
        judged,
        judged,
        [],
        made,
    )
    store.promote(store.put(line))
    (tmp_path / "line.csv").write_text("x,y\n1,2\n2,4\n3,9\n")
    (tmp_path / "line.toml").write_text('target = "y"\nfeatures = [{ name = "x" }]\n')
    return [str(tmp_path / "line.csv"), "--contract", str(tmp_path / "line.toml")]
