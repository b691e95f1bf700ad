"""Who takes part: the product, the limit, and peers as their documentation has them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

PEERS = Path(__file__).parent / "peers"
UVICORN = (
    "{bin}/python -m uvicorn server:app --host 127.0.0.1 --port {port}"
    " --loop uvloop --http httptools --no-access-log --log-level warning"
).split()
V1_PATH = "/v1/models/wine-classifier:predict"
V2_PATH = "/v2/models/wine-classifier/infer"
OPEN_INFERENCE = {"v1": V1_PATH, "v2": V2_PATH, "v2-binary": V2_PATH}
OURS = "ours"
LIMIT = "limit"
KEY = "bench-key-0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Contender:
    """A server to be measured.

    folder: of its source and requirements, None for the product.  routes: protocol to
    path.  In command and variables, `{bin}` is its environment's folder of executables,
    `{port}`, `{port+1}`, `{port+2}` are free ports, `{slug}` is the project's, and
    `{scratch}` a folder of its own.
    """

    name: str
    title: str
    folder: Path | None
    command: tuple[str, ...]
    routes: Mapping[str, str]
    variables: Mapping[str, str] = field(default_factory=dict)
    key: str | None = None
    only_start: bool = False


def peer(
    name: str,
    title: str,
    command: list[str],
    routes: Mapping[str, str],
    folder: str | None = None,
    **variables: str,
) -> Contender:
    return Contender(
        name, title, PEERS / (folder or name), tuple(command), routes, variables
    )


def product(
    name: str, title: str, routes: Mapping[str, str], key: str | None = None
) -> Contender:
    return Contender(
        name,
        title,
        folder=None,
        command=("{bin}/{slug}", "serve"),
        routes=routes,
        variables={"PORT": "{port}"} | ({"ML_API_KEYS": key} if key else {}),
        key=key,
    )


SCRIPT = ["{bin}/python", "server.py"]

# The product with neither counts nor log lines nor watching: what those cost.
SILENT = """
import sys
from importlib import import_module
package = "{slug}".replace("-", "_")
telemetry = import_module(package + ".serving.telemetry")
telemetry.Telemetry.record = lambda *_: None
import_module(package + ".monitoring.live").Live.watched = lambda _, predict: predict
sys.argv[1:] = ["serve"]
import_module(package + ".cli").main()
"""

MEASURED = [
    peer(LIMIT, "the limit (constant)", UVICORN, {"constant": ""}),
    product(OURS, "this template", OPEN_INFERENCE),
    product("ours-keys", "this template, API key", {"v1": V1_PATH}, KEY),
    replace(
        product("ours-silent", "this template, no telemetry", {"v1": V1_PATH}),
        command=("{bin}/python", "-c", SILENT),
    ),
    peer("fastapi-async", "FastAPI async def", UVICORN, {"v1": "/async"}, "fastapi"),
    peer("fastapi-def", "FastAPI def", UVICORN, {"v1": "/def"}, "fastapi"),
    peer(
        "fastapi-tuned",
        "FastAPI async def, GC tuned",
        UVICORN,
        {"v1": "/async"},
        "fastapi",
        BENCH_TUNED_COLLECTOR="1",
    ),
    peer(
        "mlserver",
        "MLServer",
        ["{bin}/mlserver", "start", "."],
        {"v2": V2_PATH},
        MLSERVER_HTTP_PORT="{port}",
        MLSERVER_GRPC_PORT="{port+1}",
        MLSERVER_METRICS_PORT="{port+2}",
        MLSERVER_METRICS_DIR="{scratch}",
        MLSERVER_ENVIRONMENTS_DIR="{scratch}",
    ),
    peer(
        "kserve",
        "KServe SDK",
        SCRIPT,
        OPEN_INFERENCE,
        PORT="{port}",
    ),
    peer("litserve", "LitServe", SCRIPT, {"v1": "/predict"}, PORT="{port}"),
    peer(
        "bentoml",
        "BentoML",
        "{bin}/bentoml serve server:Wine --host 127.0.0.1 --port {port}".split(),
        {"v1": "/predict"},
        BENTOML_DO_NOT_TRACK="True",
        BENTOML_HOME="{scratch}",
    ),
]

# The same peers without numba, for start and memory: a softmax could do without it.
NUMPY_VARIANTS = [
    replace(
        contender,
        name=f"{contender.name}-numpy",
        title=f"{contender.title}, NumPy engine",
        variables={**contender.variables, "BENCH_ENGINE": "numpy"},
        only_start=True,
    )
    for contender in MEASURED
    if contender.name in ("fastapi-async", "mlserver", "kserve", "litserve", "bentoml")
]

CONTENDERS = MEASURED + NUMPY_VARIANTS
