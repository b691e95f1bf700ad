"""Where tables are, with one interface for a file, a folder and an object store."""

import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import DataInvalid

if TYPE_CHECKING:
    from obstore.store import ObjectStore

KINDS = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet"}
SHARED = "every machine that scores must see it under this name"


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that is read; `tag` changes when its content does."""

    name: str
    size: int
    tag: str


class Place:
    """A folder, local or in an object store; names in it are paths with `/`.

    What is put appears whole or not at all. Fails: DataInvalid when a local folder does
    not exist, unless it is to be created.
    """

    def __init__(self, uri: str, *, create: bool = False) -> None:
        self.uri = absolute(uri)
        if "://" not in self.uri and not create and not Path(self.uri).is_dir():
            problem = f"expected a folder, received nothing; {SHARED}"
            raise DataInvalid(self.uri, [problem])
        with self._reaching():
            self._objects = _connect(self.uri)

    def list(self) -> list[Source]:
        import obstore

        with self._reaching():
            batches = obstore.list(self._objects)
            return [_source(found) for batch in batches for found in batch]

    def find(self, name: str) -> Source:
        import obstore

        with self._reaching(name):
            try:
                return _source(obstore.head(self._objects, name))
            except FileNotFoundError:
                # A missing bucket answers the same; only listing it tells.
                next(iter(obstore.list(self._objects)), None)
                raise

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        """Bytes from start up to stop, or to the end."""
        import obstore

        with self._reaching(name):
            if stop is None:
                return bytes(obstore.get(self._objects, name).bytes())
            if start == stop:
                return b""
            return bytes(obstore.get_range(self._objects, name, start=start, end=stop))

    def put(self, name: str, content: bytes) -> None:
        import obstore

        with self._reaching():
            obstore.put(self._objects, name, content)

    def sweep(self, names: str) -> None:
        """Remove what a killed writer left; object stores do that by themselves.

        names: a pattern of the names put here; while a file is being written, `#` and a
        number follow its name.
        """
        if "://" not in self.uri:
            for path in Path(self.uri).iterdir():
                if re.fullmatch(f"({names})#[0-9]+", path.name) and path.is_file():
                    path.unlink()

    @contextmanager
    def _reaching(self, name: str = "") -> Iterator[None]:
        """Fails: DataInvalid with the store's own message, as short as possible."""
        try:
            yield
        except FileNotFoundError:
            problem = f"expected a file, received nothing; check the name: {SHARED}"
            raise DataInvalid(f"{self.uri}/{name}", [problem]) from None
        except OSError as error:
            raise DataInvalid(self.uri, [f"{error.strerror or error}"]) from None
        except Exception as error:
            if not type(error).__module__.startswith("obstore"):
                raise
            raise DataInvalid(
                self.uri, [f"can't be reached: {_short(error)}"]
            ) from None


class Reading(io.RawIOBase):
    """A seekable file, fetched piece by piece as it is read."""

    def __init__(self, place: Place, source: Source) -> None:
        self._place, self._source, self._at = place, source, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._source.size}
        self._at = base[whence] + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = self._source.size if size < 0 else min(self._at + size, self._source.size)
        content = self._place.read(self._source.name, self._at, max(end, self._at))
        self._at += len(content)
        return content


def absolute(uri: str) -> str:
    """An absolute name, which also works for a process in another folder."""
    if "://" in uri:
        return uri.rstrip("/")
    path = Path(uri)
    # Links are not resolved: on other machines they may point elsewhere.
    return str(path.resolve() if ".." in path.parts else path.absolute())


def find_tables(uri: str) -> tuple[Place, list[Source], str]:
    """The place of the input, its files by name, and their kind: csv or parquet.

    In a folder, names that begin with a dot are left out, as `ls` does.
    Fails: DataInvalid when there is no such file, or they are of both kinds.
    """
    local = Path(uri)
    if "://" in uri:
        folder, _, name = uri.rpartition("/")
        single = _kind(name) in KINDS.values()
    elif local.exists():
        folder, name = str(local.parent), local.name
        single = local.is_file()
    else:
        raise DataInvalid(uri, ["expected a file, a folder or a URI, received nothing"])
    place = Place(folder if single else uri)
    found = [place.find(name)] if single else place.list()
    sources = sorted(
        (source for source in found if single or not _is_hidden(source.name)),
        key=lambda source: source.name,
    )
    sources = [source for source in sources if _kind(source.name)]
    kinds = sorted({_kind(source.name) for source in sources})
    if len(kinds) != 1:
        received = " and ".join(f".{kind}" for kind in kinds) or "no such file"
        raise DataInvalid(
            uri, [f"expected .csv or .parquet files, of one kind; received {received}"]
        )
    return place, sources, kinds[0]


def check_unchanged(place: Place, sources: Iterable[Source]) -> None:
    """Fails: DataInvalid when a file has changed since the parts were planned."""
    for source in sources:
        if place.find(source.name) != source:
            raise DataInvalid(
                f"{place.uri}/{source.name}",
                [
                    "expected the same file until all is scored, received another "
                    "meanwhile; run again into another folder, or remove this run's"
                ],
            )


def check_apart(source: str, output: str) -> None:
    """Fails: DataInvalid when the next run would take results for input tables."""
    if _is_within(output, source):
        problem = f"expected a folder outside of {source}, which is the input"
        raise DataInvalid(output, [problem])


def _is_within(inner: str, outer: str) -> bool:
    if "://" in inner or "://" in outer:
        return f"{inner.rstrip('/')}/".startswith(f"{outer.rstrip('/')}/")
    return Path(inner).resolve().is_relative_to(Path(outer).resolve())


def _short(error: Exception) -> str:
    """The message in the store's XML answer; without one, the client's message."""
    told = re.search("<Message>(.*?)</Message>", str(error), re.DOTALL)
    return (told[1] if told else str(error)).splitlines()[0]


def _kind(name: str) -> str:
    return KINDS.get(PurePosixPath(name).suffix.lower(), "")


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def _source(found: Any) -> Source:
    # Azure quotes the e_tag of a single file that is asked for, not of listed ones.
    return Source(found["path"], found["size"], (found["e_tag"] or "").strip('"'))


def _connect(uri: str) -> "ObjectStore":
    from obstore.store import LocalStore, from_url

    if "://" in uri:
        # Plain HTTP is only used if the environment names such an address.
        return from_url(uri, client_options={"allow_http": True})
    return LocalStore(uri, mkdir=True)
