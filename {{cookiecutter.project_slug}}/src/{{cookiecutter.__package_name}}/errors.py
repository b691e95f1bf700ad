"""Every failure that this project can name; each takes facts and words its message.

ProjectError
├── SettingInvalid         an environment variable or option can't be used
├── DataInvalid            a data file, contract or thresholds file breaks a rule
├── TrainingImpossible     the data is fine but this model can't learn from it
├── ArtifactError
│   ├── ArtifactMissing    no such model or version in the store
│   ├── ArtifactCorrupt    files that don't match their manifest
│   ├── StoreUnreachable   no way to the store, for now
│   ├── StateRefused       a model's state that can't be stored safely
│   ├── PromotionRefused   the version didn't pass its gate
│   └── AdoptionRefused    a model made elsewhere can't be served here
├── RequestError           the client's doing
│   ├── Malformed          not the JSON or the form that was expected
│   ├── FieldInvalid       a named part is wrong: expected, received
│   ├── UnknownPath        no such path, model or version
│   ├── MethodRefused      the path exists, the method doesn't
│   ├── Unauthorised       no valid key
│   ├── BodyTooSlow        the body didn't arrive in time
│   ├── BodyTooLarge       more bytes or rows than allowed
│   └── MediaUnsupported   a content type or encoding that isn't read
└── Unavailable            try again later
    ├── NotReady           starting, failed to start, or draining
    ├── Overloaded         every slot and the queue are taken
    └── DeadlineExceeded   the answer would come too late
"""

from collections.abc import Sequence

SHOWN = 100


class ProjectError(Exception):
    """Base of all failures below; `str(error)` is a sentence for a person."""


class SettingInvalid(ProjectError):
    def __init__(self, name: str, expected: str, received: object) -> None:
        super().__init__(f"{name}: expected {expected}, received {received!r}")


class DataInvalid(ProjectError):
    """One file, and the problems found in it, up to the limit that its reader sets."""

    def __init__(self, source: object, problems: Sequence[str]) -> None:
        if len(problems) == 1:
            super().__init__(f"{source}: {problems[0]}")
        else:
            lines = "".join(f"\n  {problem}" for problem in problems)
            super().__init__(f"{source}: {len(problems)} problems{lines}")


class TrainingImpossible(ProjectError):
    pass


class ArtifactError(ProjectError):
    pass


class ArtifactMissing(ArtifactError):
    def __init__(self, place: object, wanted: str, remedy: str) -> None:
        super().__init__(f"{place}: {wanted} not found; {remedy}")


class ArtifactCorrupt(ArtifactError):
    def __init__(self, place: object, expected: str, received: object) -> None:
        super().__init__(f"{place}: expected {expected}, received {received}")


# The main variables that the client of each kind of store reads.
STORE_VARIABLES = {
    "s3": "AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_ACCOUNT_KEY",
}


class StoreUnreachable(ArtifactError):
    def __init__(self, place: object, reason: str) -> None:
        scheme = str(place).partition("://")[0]
        read = STORE_VARIABLES.get(scheme, "credentials")
        super().__init__(
            f"{place}: can't be reached: {reason}; check the address, the network and "
            f"the environment ({read})"
        )


class StateRefused(ArtifactError):
    def __init__(self, name: str, received: str) -> None:
        super().__init__(
            f"model state {name!r}: expected an array of numbers or text, a finite "
            f"number, text, or lists and dicts of these, received {received}. Anything "
            "else needs pickle, and reading a pickle can run any code: let to_arrays "
            "return the arrays that it is made of, or export the model to ONNX"
        )


class PromotionRefused(ArtifactError):
    def __init__(self, version: str, failures: Sequence[str]) -> None:
        super().__init__(
            f"version {version} is not promoted: {'; '.join(failures)}. "
            "Improve the model, or state why with --force REASON"
        )


class AdoptionRefused(ArtifactError):
    def __init__(self, part: str, expected: str, received: object, remedy: str) -> None:
        super().__init__(
            f"{part}: expected {expected}, received {shortened(received)}; {remedy}"
        )


class RequestError(ProjectError):
    """`rule`, for the log: what was expected and where, without what was sent."""

    rule = ""


class Malformed(RequestError):
    def __init__(self, expected: str, received: str) -> None:
        self.rule = f"body: expected {expected}"
        super().__init__(f"{self.rule}, received {shortened(received)}")
        self.received = received


class FieldInvalid(RequestError):
    """`missing`: name or place of the feature for which a row has no value."""

    def __init__(
        self,
        field: str,
        expected: str,
        received: object,
        missing: str | int | None = None,
    ) -> None:
        self.missing = missing
        self.rule = f"{field}: expected {expected}"
        super().__init__(f"{self.rule}, received {shortened(received)}")


class UnknownPath(RequestError):
    pass


class MethodRefused(RequestError):
    def __init__(self, path: str, allowed: str, received: str) -> None:
        self.allowed = allowed
        super().__init__(f"{path}: expected {allowed}, received {received}")


class Unauthorised(RequestError):
    def __init__(self) -> None:
        super().__init__(
            "authorization: expected 'Bearer' and a valid key, received none that is"
        )


class BodyTooSlow(RequestError):
    def __init__(self, waited_s: float) -> None:
        super().__init__(
            f"body: expected all of it by now, got less in {waited_s:.1f} s"
        )


class BodyTooLarge(RequestError):
    def __init__(self, field: str, limit: int, unit: str, received: object) -> None:
        super().__init__(f"{field}: expected at most {limit} {unit}, got {received}")


class MediaUnsupported(RequestError):
    def __init__(self, header: str, expected: str, received: str) -> None:
        super().__init__(f"{header}: expected {expected}, received {received!r}")


class Unavailable(ProjectError):
    """`retry_after_s`: after how many seconds to try again."""

    retry_after_s = 1


class NotReady(Unavailable):
    def __init__(self, phase: str) -> None:
        super().__init__(f"not ready: {phase}; try again later")


class Overloaded(Unavailable):
    def __init__(self, taken: str) -> None:
        super().__init__(f"{taken}: all that this service takes; try again later")


class DeadlineExceeded(Unavailable):
    def __init__(self, deadline_s: float) -> None:
        super().__init__(f"no answer within {deadline_s:g} s; send fewer rows")


def shortened(received: object) -> str:
    """What a client sent, cut to SHOWN characters for use in a message."""
    text = str(received)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters)"
