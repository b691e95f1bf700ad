"""Where an HTTP/1.1 answer ends and what its body is: enough for a load client."""

OK = b"HTTP/1.1 200 "
BODY_SEPARATOR = b"\r\n\r\n"
LENGTHS = (b"\r\ncontent-length: ", b"\r\nContent-Length: ")

Data = bytes | bytearray


class LoadError(Exception):
    """The server broke off, kept silent, or did not answer with status 200."""


def whole_length(data: Data) -> int:
    """Bytes of the answer at the start of `data`, 0 while that can't be told yet."""
    end = data.find(BODY_SEPARATOR)
    if end < 0:
        return 0
    for name in LENGTHS:
        start = data.find(name, 0, end)
        if start > 0:
            start += len(name)
            return end + 4 + int(data[start : data.find(b"\r", start)])
    chunks = _chunks(data, end + 4)
    return chunks[-1][1] + 2 if chunks else 0


def split(answer: bytes) -> tuple[bytes, bytes]:
    """Head and body of a whole answer. Fails: LoadError when its status is not 200."""
    if not answer.startswith(OK):
        raise LoadError(f"expected status 200, got {answer[:300]!r}")
    head, _, body = answer.partition(BODY_SEPARATOR)
    if b"transfer-encoding: chunked" in head.lower():
        body = b"".join(body[begin:end] for begin, end in _chunks(body, 0))
    return head, body


def _chunks(data: Data, at: int) -> list[tuple[int, int]]:
    """Begin and end of each chunk from `at` on, none while the last has not come.

    Source: RFC 9112, section 7.1.
    """
    found = []
    while (line := data.find(b"\r\n", at)) > 0:
        size = int(data[at:line], 16)
        found.append((line + 2, line + 2 + size))
        at = line + 2 + size + 2
        if size == 0:
            return found if at <= len(data) else []
    return []
