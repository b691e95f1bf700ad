"""Object stores on this machine: a bucket in each, and the environment to get there."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import NamedTuple

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

BUCKET = "models"
# What every installation of Azure's emulator has; it protects nothing.
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/"
    "K1SZFPTOtr/KBHBeksoGMGw=="
)
SIGNED = (
    "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=0"
)
AZURITE = Path(__file__).parents[1] / "build/azurite/node_modules/azurite"
STARTED_WITHIN_S = 60
Wsgi = Callable[..., Iterable[bytes]]


class Server(NamedTuple):
    """uri: the store's.  port: where it listens.  environment: how to get there."""

    uri: str
    port: int
    environment: dict[str, str]


def send(method: str, url: str, headers: dict[str, str]) -> None:
    request = urllib.request.Request(url, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=10) as reply:
        reply.read()


def whole(app: Wsgi) -> Wsgi:
    """Refuse half a request, as a real store does: moto would keep what has come."""

    def refuse_or_pass(environ: dict, start: Callable) -> Iterable[bytes]:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        if len(body) < length or "HTTP_HOST" not in environ:
            start("400 Bad Request", [("Content-Length", "0")])
            return [b""]
        environ["wsgi.input"] = io.BytesIO(body)
        return app(environ, start)

    return refuse_or_pass


class Quiet(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        pass


@contextmanager
def served(app: Wsgi, port: int = 0) -> Iterator[int]:
    """With an empty bucket; on a given port with what was put before."""
    server = make_server(
        "127.0.0.1", port, whole(app), threaded=True, request_handler=Quiet
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.port}"
        if not port:
            signed = {"Content-Length": "0", "Authorization": SIGNED}
            send("POST", f"{address}/moto-api/reset", {"Content-Length": "0"})
            send("PUT", f"{address}/{BUCKET}", signed)
        yield server.port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def moto() -> Wsgi:
    """Amazon's storage, empty; what is put stays in this process."""
    app: Wsgi = DomainDispatcherApplication(create_backend_app)
    return app


class Generations:
    """What Google's XML interface has beyond Amazon's: a number for each write.

    It shows that our conditions are sent and obeyed, not how Google's servers are.
    """

    def __init__(self, app: Wsgi) -> None:
        self.app = app
        self.lock = threading.Lock()
        self.written: dict[str, int] = {}
        self.count = 0

    def __call__(self, environ: dict, start: Callable) -> Iterable[bytes]:
        environ["HTTP_AUTHORIZATION"] = SIGNED
        key, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        with self.lock:
            expected = environ.get("HTTP_X_GOOG_IF_GENERATION_MATCH")
            if expected is not None and int(expected) != self.written.get(key, 0):
                start("412 Precondition Failed", [("Content-Length", "0")])
                return [b""]

            def begin(status: str, headers: list[tuple[str, str]], *rest) -> Callable:
                if method == "PUT" and status[0] == "2":
                    self.count += 1
                    self.written[key] = self.count
                elif method == "DELETE":
                    self.written.pop(key, None)
                generation = str(self.written.get(key, 0))
                return start(
                    status, [*headers, ("x-goog-generation", generation)], *rest
                )

            return list(self.app(environ, begin))


@contextmanager
def s3(port: int = 0) -> Iterator[Server]:
    with served(moto(), port) as port:
        yield Server(
            f"s3://{BUCKET}/wine",
            port,
            {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
                "AWS_ACCESS_KEY_ID": "an-access-key",
                "AWS_SECRET_ACCESS_KEY": "a-secret-key",
                "AWS_REGION": "us-east-1",
            },
        )


@contextmanager
def gs() -> Iterator[Server]:
    with served(Generations(moto())) as port:
        account = {
            "gcs_base_url": f"http://127.0.0.1:{port}",
            "disable_oauth": True,
            "client_email": "",
            "private_key": "",
            "private_key_id": "",
        }
        key = json.dumps(account)
        environment = {"GOOGLE_SERVICE_ACCOUNT_KEY": key}
        yield Server(f"gs://{BUCKET}/wine", port, environment)


@contextmanager
def az() -> Iterator[Server]:
    """Azurite, which has to be installed: `missing_azurite` says how."""
    port = free_port()
    program = [shutil.which("node") or "node", str(AZURITE / "dist/src/blob/main.js")]
    options = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--silent"]
    options += ["--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck"]
    with subprocess.Popen(
        [*program, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            wait_for_port(port, process)
            make_container(port)
            yield Server(
                f"az://{BUCKET}/wine",
                port,
                {
                    "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
                    "AZURE_STORAGE_ACCOUNT_KEY": ACCOUNT_KEY,
                    "AZURE_STORAGE_ENDPOINT": f"http://127.0.0.1:{port}/{ACCOUNT}",
                },
            )
        finally:
            process.kill()


def missing_azurite() -> str | None:
    """Why Azure's emulator can't be run here, or None."""
    if shutil.which("node") is None:
        return "needs Node.js"
    if not AZURITE.is_dir():
        return "needs `npm install --prefix build/azurite azurite`"
    return None


def make_container(port: int) -> None:
    """The one request that obstore has no call for, signed as Azure wants it."""
    date = format_datetime(datetime.now(UTC), usegmt=True)
    headers = {"x-ms-date": date, "x-ms-version": "2021-08-06", "Content-Length": "0"}
    own = f"x-ms-date:{date}\nx-ms-version:2021-08-06\n"
    resource = f"/{ACCOUNT}/{ACCOUNT}/{BUCKET}\nrestype:container"
    text = "PUT" + "\n" * 12 + own + resource
    digest = hmac.digest(base64.b64decode(ACCOUNT_KEY), text.encode(), hashlib.sha256)
    signature = base64.b64encode(digest).decode()
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{signature}"
    headers["Content-Type"] = ""
    url = f"http://127.0.0.1:{port}/{ACCOUNT}/{BUCKET}?restype=container"
    send("PUT", url, headers)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTED_WITHIN_S
    while True:
        assert process.poll() is None, "it ended before it listened"
        assert time.monotonic() < deadline, f"not started in {STARTED_WITHIN_S} s"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return


SERVERS = {"s3": s3, "gs": gs, "az": az}
