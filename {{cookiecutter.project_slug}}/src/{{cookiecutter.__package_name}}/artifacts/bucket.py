"""The versions of one model in an object store: the manifest is put last.

<uri>/<version>/weights.npz
<uri>/<version>/manifest.json      its presence makes the folder a version
<uri>/CURRENT                      replaced only if nobody else replaced it first

An object appears whole or not at all, and every put here is conditional. obstore reads
credentials from the environment variables that each cloud's own tools use.
"""

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ..errors import ArtifactError, StoreUnreachable
from .artifact import MANIFEST
from .folder import CURRENT

if TYPE_CHECKING:
    from obstore import UpdateVersion
    from obstore.store import ObjectStore

ATTEMPTS = 50
SLOWEST_PUT_S = 1800.0  # half the age at which leftovers are swept
NO_SUCH_BUCKET = "there is no such bucket"
NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "bucket does not exist")
QUERY = re.compile(r"(?<!<)\?[^\s)\"']+")
CODE = re.compile(r"<Code>(\w+)</Code>")  # S3's code of the fault


def connect(uri: str) -> "ObjectStore":
    """Short timeouts: whoever starts a service or a training wants to know soon."""
    from obstore.store import from_url

    with _reaching(uri):
        return from_url(
            uri,
            # Plain HTTP is only used if the environment names such an address.
            client_options={
                "allow_http": True,
                "connect_timeout": "3s",
                "timeout": "300s",
            },
            retry_config={"max_retries": 3, "retry_timeout": timedelta(seconds=10)},
        )


class Bucket:
    """Keeps objects; what they mean is up to the store."""

    def __init__(self, uri: str, objects: "ObjectStore | None" = None) -> None:
        self.uri = uri.rstrip("/")
        self._objects = objects or connect(self.uri)

    def at(self, *parts: str) -> str:
        """The address of something, for a message."""
        return "/".join([self.uri, *parts])

    def versions(self) -> list[str]:
        """Names of all complete versions."""
        return [path[0] for path, _ in self._list() if path[1:] == [MANIFEST]]

    def read(self, version: str, name: str) -> bytes:
        """Fails: FileNotFoundError, StoreUnreachable."""
        return self._get(f"{version}/{name}")[0]

    def add(self, version: str, files: Mapping[str, bytes]) -> None:
        """Whole or absent: the manifest, put last, is what makes it a version.

        Equal files that a killed writer left of the same version are kept.
        Fails: FileExistsError, StoreUnreachable.
        """
        from obstore.exceptions import AlreadyExistsError

        began = time.monotonic()
        for name, content in files.items():
            if time.monotonic() - began > SLOWEST_PUT_S:
                raise ArtifactError(
                    f"{self.at(version)}: expected to be written within "
                    f"{SLOWEST_PUT_S:g} s, for later it might be swept as a leftover"
                )
            try:
                self._put(f"{version}/{name}", content, "create")
            except AlreadyExistsError:
                if name == MANIFEST or not self._holds(version, name, content):
                    raise FileExistsError(self.at(version)) from None

    def _holds(self, version: str, name: str, content: bytes) -> bool:
        try:
            return self.read(version, name) == content
        except FileNotFoundError:  # swept at this very moment
            return False

    def read_pointer(self) -> bytes | None:
        try:
            return self._get(CURRENT)[0]
        except FileNotFoundError:
            return None

    def move_pointer(self, change: Callable[[bytes | None], bytes]) -> None:
        """Replace the pointer by what `change` makes of it, atomically.

        Fails: StoreUnreachable, also when others keep moving it at the same time.
        """
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        for attempt in range(ATTEMPTS):
            before: bytes | None = None
            mode: UpdateVersion | None = None
            with suppress(FileNotFoundError):
                before, mode = self._get(CURRENT)
            after = change(before)
            if after == before:
                return
            try:
                self._put(CURRENT, after, mode or "create")
            except (AlreadyExistsError, PreconditionError):
                # A random pause, so as not to collide with the other writer again.
                time.sleep(random.random() * min(0.01 * 2**attempt, 1.0))  # noqa: S311
            else:
                return
        raise StoreUnreachable(self.at(CURRENT), f"moved by others {ATTEMPTS} times")

    def remove(self, version: str) -> None:
        """Delete the manifest first, so that nobody finds an incomplete version."""
        names = [path for path, _ in self._list() if path[0] == version]
        for path in sorted(names, key=lambda path: path[1:] != [MANIFEST]):
            self._delete("/".join(path))

    def leftovers(self, older_than_s: float) -> list[str]:
        """What killed writers left; anything younger may still be in writing."""
        then = datetime.now(UTC) - timedelta(seconds=older_than_s)
        found: dict[str, datetime] = {}
        whole = set()
        for path, changed in self._list():
            if path[1:] == [MANIFEST]:
                whole.add(path[0])
            elif len(path) > 1:
                found[path[0]] = max(changed, found.get(path[0], changed))
        return sorted(
            version
            for version, changed in found.items()
            if version not in whole and changed <= then
        )

    def sweep(self, leftover: str) -> None:
        self.remove(leftover)

    def _list(self) -> Iterator[tuple[list[str], datetime]]:
        import obstore

        with _reaching(self.uri):
            for batch in obstore.list(self._objects):
                for each in batch:
                    yield each["path"].split("/"), each["last_modified"]

    def _get(self, key: str) -> tuple[bytes, "UpdateVersion"]:
        import obstore

        with _reaching(self.at(key)):
            result = obstore.get(self._objects, key)
            meta = result.meta
            mode: UpdateVersion = {}
            if meta["e_tag"]:
                mode["e_tag"] = meta["e_tag"]
            if meta["version"]:
                mode["version"] = meta["version"]
            return bytes(result.bytes()), mode

    def _put(self, key: str, content: bytes, mode: "str | UpdateVersion") -> None:
        import obstore

        with _reaching(self.at(key)):
            try:
                obstore.put(self._objects, key, content, mode=mode)  # type: ignore[arg-type]
            except FileNotFoundError:
                raise StoreUnreachable(self.uri, NO_SUCH_BUCKET) from None

    def _delete(self, key: str) -> None:
        import obstore

        with _reaching(self.at(key)), suppress(FileNotFoundError):
            obstore.delete(self._objects, key)


@contextmanager
def _reaching(place: str) -> Iterator[None]:
    """Fails: StoreUnreachable, with the reason in one line and without secrets."""
    from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

    try:
        yield
    except FileNotFoundError as error:
        if any(sign in str(error) for sign in NO_BUCKET):
            raise StoreUnreachable(place, NO_SUCH_BUCKET) from None
        raise
    except (AlreadyExistsError, PreconditionError):
        raise
    except BaseException as error:
        # An invalid address in the environment makes the client (Rust) panic.
        panic = type(error).__name__ == "PanicException"
        if not panic and not isinstance(error, BaseError | ValueError):
            raise
        raise StoreUnreachable(place, _reason(error)) from None


def _reason(error: BaseException) -> str:
    """The first line, as the rest is for debugging; no query, which may hold a key."""
    text = str(error).strip()
    line = text.partition("\n")[0].partition("<?xml")[0]
    code = "".join(f" {name}" for name in CODE.findall(text)[:1])
    return QUERY.sub("", line)[:300].rstrip(": ") + code
