"""The same parts, scored on an existing Dask cluster.

Workers need this package and must reach input and output under the same names. If a
worker dies, another one repeats its running part.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from ..artifacts.artifact import Artifact
from ..errors import ProjectError, SettingInvalid
from ..model.predictor import Predictor
from .batch import Done, score_part
from .plan import Part, Plan

RETRIES = 3
PATIENCE_S = 10


def score_on(
    scheduler: str,
    plan: Plan,
    parts: Sequence[Part],
    output: str,
    artifact: Artifact,
    report: Callable[[Done], None],
) -> None:
    """Fails: ProjectError without dask or without workers, or when a part fails."""
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise ProjectError(
            "dask is not installed; --scheduler needs it: uv sync --group score"
        ) from None
    try:
        client = Client(scheduler, timeout=PATIENCE_S)
    except (OSError, ValueError) as error:
        expected = "the address of a Dask scheduler, as tcp://host:8786"
        problem = f"{scheduler} ({error})"
        raise SettingInvalid("--scheduler", expected, problem) from None
    with client:
        if not client.scheduler_info()["workers"]:
            raise ProjectError(f"{scheduler}: expected workers, received none yet")
        version = artifact.manifest.version
        client.register_plugin(_model(artifact), name=version)
        futures = client.map(
            _score, parts, plan=plan, output=output, retries=RETRIES, pure=False
        )
        try:
            for future in as_completed(futures):
                report(future.result())
        finally:
            with contextlib.suppress(Exception):
                client.cancel(futures)
                client.unregister_worker_plugin(version)


def _score(part: Part, *, plan: Plan, output: str) -> Done:
    from distributed import get_worker

    model: Any = get_worker().plugins[plan.version]
    try:
        return score_part(plan, part, output, model.predictor)
    except ProjectError as error:
        # Its own class can't be sent: that needs the facts, and only the text is left.
        raise ProjectError(str(error)) from None


def _model(artifact: Artifact) -> Any:
    """The model as a plugin that each worker loads once, even one that joins later."""
    from distributed import WorkerPlugin

    class Model(WorkerPlugin):
        predictor: Predictor

        def setup(self, worker: Any) -> None:  # noqa: ARG002  dask's signature
            self.predictor = artifact.predictor()
            self.predictor.warm_up()

    return Model()
