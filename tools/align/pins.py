"""What bots update in managed files: the commit of an action, the tag of an image."""

from __future__ import annotations

import re

PIN = re.compile(
    rb"^(\s*(?:- )?uses: [^@\s]+)@[0-9a-f]{40} # v[\d.]+$"
    # The name may begin with a registry and its port.
    rb"|^(FROM |\s+image: )([\w.-]+(?::\d+(?=/))?(?:/[\w.-]+)*)[:@][^\s$]+",
    re.MULTILINE,
)
VERSION = re.compile(r"(?:# v|:)(\d+(?:\.\d+)*)[^:]*$")


def without_pins(content: bytes) -> bytes:
    return PIN.sub(rb"\1\2\3 pinned", content)


def newer_pin(one: str, other: str) -> str | None:
    """The newer of two lines that differ only in their pin; else None."""
    if without_pins(one.encode()) != without_pins(other.encode()):
        return None
    found = [VERSION.search(each) for each in (one, other)]
    if not all(found):
        return None
    versions = [tuple(map(int, each[1].split("."))) for each in found if each]
    return one if versions[0] > versions[1] else other
