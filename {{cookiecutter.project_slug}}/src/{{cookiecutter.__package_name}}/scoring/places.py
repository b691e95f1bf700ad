"""Where tables lie, one way for all: a file, a folder, or an object store."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import DataInvalid

if TYPE_CHECKING:
    from obstore.store import ObjectStore

FORMATS = ("csv", "parquet")


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that is read; `tag` changes when its content does."""

    name: str
    size: int
    tag: str


class Place:
    """A folder, local or in an object store; names in it have `/` between them.

    What is put appears whole or not at all.
    """

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")
        with self._reaching():
            self._objects = _connect(self.uri)

    def list(self) -> list[Source]:
        import obstore

        with self._reaching():
            batches = obstore.list(self._objects)
            return [_source(found) for batch in batches for found in batch]

    def find(self, name: str) -> Source:
        import obstore

        with self._reaching():
            return _source(obstore.head(self._objects, name))

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        """Bytes from start up to stop, or to the end. Fails: FileNotFoundError."""
        import obstore

        with self._reaching():
            if stop is None:
                return bytes(obstore.get(self._objects, name).bytes())
            if start == stop:
                return b""
            return bytes(obstore.get_range(self._objects, name, start=start, end=stop))

    def put(self, name: str, content: bytes) -> None:
        import obstore

        with self._reaching():
            obstore.put(self._objects, name, content)

    def sweep(self) -> None:
        """Remove what a killed writer left; object stores do that by themselves."""
        if "://" not in self.uri:
            for path in Path(self.uri).glob("*#*"):
                path.unlink()

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """Fails: DataInvalid with the store's own words, at their shortest."""
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise DataInvalid(self.uri, [f"{error.strerror or error}"]) from None
        except Exception as error:
            if not type(error).__module__.startswith("obstore"):
                raise
            words = str(error).splitlines()[0]
            raise DataInvalid(self.uri, [f"can't be reached: {words}"]) from None


class Reading(io.RawIOBase):
    """A file to seek and read in, fetched piece by piece as it is read."""

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


def find_tables(uri: str) -> tuple[Place, list[Source], str]:
    """The place of the input, its files by name, and what they are: csv or parquet.

    Fails: DataInvalid when there is none, or not one kind only.
    """
    local = Path(uri)
    if "://" in uri:
        folder, _, name = uri.rpartition("/")
        single = name.endswith(tuple(f".{each}" for each in FORMATS))
    elif local.exists():
        folder, name = str(local.parent), local.name
        single = local.is_file()
    else:
        raise DataInvalid(uri, ["expected a file, a folder or a URI, received nothing"])
    place = Place(folder if single else uri)
    try:
        found = [place.find(name)] if single else place.list()
    except FileNotFoundError:
        raise DataInvalid(uri, ["expected a file, received nothing"]) from None
    sources = sorted(
        (source for source in found if source.name.endswith(FORMATS)),
        key=lambda source: source.name,
    )
    kinds = sorted({source.name.rpartition(".")[2] for source in sources})
    if len(kinds) != 1 or kinds[0] not in FORMATS:
        received = " and ".join(f".{kind}" for kind in kinds) or "no such file"
        raise DataInvalid(
            uri, [f"expected .csv or .parquet files, of one kind; received {received}"]
        )
    return place, sources, kinds[0]


def _source(found: Any) -> Source:
    # Azure puts it in quotes for one file that is asked for, not for those it lists.
    return Source(found["path"], found["size"], (found["e_tag"] or "").strip('"'))


def _connect(uri: str) -> "ObjectStore":
    from obstore.store import LocalStore, from_url

    if "://" in uri:
        # An address without TLS is only used where the environment names one.
        return from_url(uri, client_options={"allow_http": True})
    return LocalStore(uri, mkdir=True)
