"""A company's package index on this machine: what another one has, for a password."""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests
from requests.adapters import HTTPAdapter

USER, PASSWORD = "team", "0nly-for-the-team"
WANTED = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
KEPT = ("Content-Type", "Content-Range", "Accept-Ranges")
FILE = re.compile(rb'href="(https?)://([^/"]+)/')


class Handler(BaseHTTPRequestHandler):
    """Pages come from the index behind it, files from where its pages say."""

    protocol_version = "HTTP/1.1"
    behind: str
    session: requests.Session

    def do_GET(self) -> None:
        if self.headers["Authorization"] != WANTED:
            empty = ("Content-Length", "0")
            self.answer(401, b"", ("WWW-Authenticate", "Basic"), empty)
            return
        _, place, rest = self.path.split("/", 2)
        if place == "simple":
            url = f"{self.behind}/{rest}"
        else:
            scheme, host, path = rest.split("/", 2)
            url = f"{scheme}://{host}/{path}"
        headers = {"Accept": "text/html", "Accept-Encoding": "identity"}
        if "Range" in self.headers:  # uv reads the end of a wheel only
            headers["Range"] = self.headers["Range"]
        reply = self.session.request(self.command, url, headers=headers, timeout=60)
        body, told = reply.content, reply.headers
        if place == "simple":
            body = FILE.sub(rb'href="/files/\1/\2/', body)
        length = told["Content-Length"] if self.command == "HEAD" else str(len(body))
        kept = [(name, told[name]) for name in KEPT if name in told]
        self.answer(reply.status_code, body, *kept, ("Content-Length", length))

    def do_HEAD(self) -> None:
        self.do_GET()

    def answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def package_index(behind: str) -> Iterator[str]:
    """The address of an index that asks the one behind it."""
    session = requests.Session()  # many connections, and each of them kept
    session.mount("https://", HTTPAdapter(pool_maxsize=64))
    known = {"behind": behind.rstrip("/"), "session": session}
    handler = type("Behind", (Handler,), known)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/simple"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
