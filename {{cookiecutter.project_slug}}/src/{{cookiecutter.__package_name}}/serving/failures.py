"""Named failures in, HTTP statuses out: one table, and one form for all errors."""

import logging

import msgspec

from .. import errors

log = logging.getLogger(__name__)

STATUSES: dict[type[Exception], int] = {
    errors.Malformed: 400,
    errors.FieldInvalid: 400,
    errors.Unauthorised: 401,
    errors.UnknownPath: 404,
    errors.MethodRefused: 405,
    errors.BodyTooSlow: 408,
    errors.BodyTooLarge: 413,
    errors.MediaUnsupported: 415,
    errors.NotReady: 503,
    errors.Overloaded: 503,
    errors.DeadlineExceeded: 504,
}

Headers = list[tuple[bytes, bytes]]


class Reply(msgspec.Struct):
    """An answer before it is sent: status, body, and headers besides the usual ones."""

    body: bytes
    status: int = 200
    content_type: bytes = b"application/json"
    headers: Headers = []
    rows: int = 0
    version: str = ""  # the version that answered, if there is more than one
    refused: str = ""  # for the log: the rule that the request broke


class FailedBy(Exception):
    """A fault of our own (its cause), when there is more than one version."""

    def __init__(self, version: str, cause: Exception) -> None:
        self.version = version
        self.__cause__ = cause
        super().__init__(f"version {version} failed")


def explain(error: BaseException, failed: str) -> Reply:
    """A refusal for any error; an unnamed one is our own fault, and is logged."""
    if isinstance(error, FailedBy) and error.__cause__:
        reply = explain(error.__cause__, f"{failed} by version {error.version}")
        reply.version = error.version
        return reply
    if isinstance(error, errors.ProjectError):
        return refuse(error)
    log.error("%s failed", failed, exc_info=error)
    return refuse(errors.ProjectError())


def refuse(error: errors.ProjectError) -> Reply:
    """What a client is told; an error that is not in the table is our own fault."""
    status = STATUSES.get(type(error), 500)
    headers: Headers = []
    if isinstance(error, errors.Unavailable):
        headers.append((b"retry-after", b"%d" % error.retry_after_s))
    if isinstance(error, errors.Unauthorised):
        headers.append((b"www-authenticate", b"Bearer"))
    if isinstance(error, errors.MethodRefused):
        headers.append((b"allow", error.allowed.encode()))
    text = str(error) if status != 500 else "internal error; see the log"
    rule = error.rule if isinstance(error, errors.RequestError) else ""
    return Reply(error_body(text), status, headers=headers, refused=rule)


def error_body(text: str) -> bytes:
    return msgspec.json.encode({"error": text})
