"""The try-it page: read once, with a policy that allows only the page's own content.

The page is the same for every model: it builds its form from the model's metadata,
which it requests as any client does, with a key if one is needed.
"""

import base64
import hashlib
import html
import re
from pathlib import Path

from .failures import Headers as Answered
from .failures import Reply
from .service import Headers, Service

FILE = Path(__file__).with_name("page.html")
POLICY = (
    "default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


class Page:
    """Needs no model and no framework, so it is served while they are still loading."""

    def __init__(self, service: Service) -> None:
        settings = service.settings
        text = FILE.read_text(encoding="utf-8")
        told = {
            "model": service.name,
            "root": settings.root_path,
            "docs": settings.root_path + "/docs" if settings.docs else "",
        }
        blanks = "".join(f' data-{name}=""' for name in told)
        filled = "".join(f' data-{k}="{html.escape(v)}"' for k, v in told.items())
        self.body = text.replace(blanks, filled, 1).encode()
        self.tag = f'"{hashlib.sha256(self.body).hexdigest()[:16]}"'.encode()
        policy = POLICY.format(
            script=digest("script", text), style=digest("style", text)
        )
        self.headers: Answered = [
            (b"content-security-policy", policy.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cache-control", b"no-cache"),  # may be kept, but ask if it changed
            (b"etag", self.tag),
        ]

    def reply(self, headers: Headers) -> Reply:
        """The page, or 304 for a browser that has this one already."""
        known = headers.get(b"if-none-match", b"")
        if self.tag in known or known == b"*":
            return Reply(b"", 304, headers=self.headers)
        return Reply(self.body, 200, b"text/html; charset=utf-8", self.headers)


def digest(element: str, text: str) -> str:
    """The hash of the page's only script or style, as a policy names it."""
    (content,) = re.findall(f"<{element}>(.*?)</{element}>", text, re.DOTALL)
    sha = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(sha).decode()}'"
