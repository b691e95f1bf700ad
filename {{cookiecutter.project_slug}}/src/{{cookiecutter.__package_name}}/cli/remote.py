"""A service at an address: what is asked and what comes back, as JSON."""

import http.client
import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from ..errors import SettingInvalid

KEY = "SMOKE_API_KEY"
TIMEOUT_S = 10.0
USER_AGENT = "smoke"


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    """The body: parsed if it is JSON, otherwise its beginning as text."""


@dataclass(frozen=True)
class Remote:
    """address: http:// or https://, a host, and the path below which the service is.

    The bearer key comes from the environment: process lists show arguments.
    """

    address: str
    key: str = field(
        default_factory=lambda: os.environ.get(KEY, "").strip(), repr=False
    )

    def __post_init__(self) -> None:
        parts = urlsplit(self.address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            expected = "http:// or https:// and a host"
            raise SettingInvalid("ADDRESS", expected, self.address)
        if not (self.key.isascii() and self.key.isprintable()):
            raise SettingInvalid(KEY, "visible ASCII characters", "others")

    def ask(self, path: str, body: object = None) -> Answer:
        """GET, or POST when there is a body. Fails: OSError when nobody answers."""
        headers = {"content-type": "application/json", "user-agent": USER_AGENT}
        if self.key:
            headers["authorization"] = f"Bearer {self.key}"
        request = urllib.request.Request(  # noqa: S310  the scheme is checked above
            self.address.rstrip("/") + path,
            None if body is None else json.dumps(body).encode(),
            headers,
        )
        try:
            reply = urllib.request.urlopen(request, timeout=TIMEOUT_S)  # noqa: S310
            with reply:
                return Answer(reply.status, parsed(reply.read()))
        except urllib.error.HTTPError as refused:
            with refused:
                return Answer(refused.code, parsed(refused.read()))
        except http.client.HTTPException as error:
            raise OSError(f"no HTTP: {error!r}") from error


def parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content[:80].decode("utf-8", "replace")
