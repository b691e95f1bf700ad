"""A Parquet file in, its columns out; read in batches, so that memory stays flat."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataInvalid, ProjectError

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_AT_ONCE = 65_536


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Fails: DataInvalid when it is no Parquet file, ProjectError without pyarrow."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ProjectError(
            "pyarrow is not installed; Parquet needs it: uv sync --group train"
        ) from None
    try:
        # Without this, whole columns would be read ahead.
        with path.open("rb") as raw, pq.ParquetFile(raw, pre_buffer=False) as file:
            yield file
    except pa.ArrowException as error:
        first = str(error).partition("\n")[0]
        raise DataInvalid(path, [f"expected Parquet: {first}"]) from None


def header(path: Path) -> list[str]:
    """The names of its columns."""
    with opened(path) as file:
        names: list[str] = file.schema_arrow.names
        return names


def read_columns(
    path: Path, names: Sequence[str], batch_rows: int | None
) -> Iterator[tuple[int, "dict[str, pa.Array]"]]:
    """For each batch, the number of its first row, from 1, and its columns."""
    with opened(path) as file:
        first = 1
        size = batch_rows or max(file.metadata.num_rows, 1)
        wanted = list(dict.fromkeys(names))
        for batch in regrouped(file, size, wanted):
            yield first, {name: batch.column(name) for name in wanted}
            first += batch.num_rows


def regrouped(file: Any, size: int, names: list[str]) -> Iterator[Any]:
    """Tables of `size` rows, the last maybe fewer, whatever the file's row groups."""
    import pyarrow as pa

    kept: list[Any] = []
    rows = 0
    for batch in file.iter_batches(min(size, ROWS_AT_ONCE), columns=names):
        kept.append(batch)
        rows += batch.num_rows
        while rows >= size:
            table = pa.Table.from_batches(kept)
            yield table.slice(0, size)
            kept = table.slice(size).to_batches()
            rows -= size
    if rows:
        yield pa.Table.from_batches(kept)


def numbers(column: "pa.Array", place: str, problems: list[str]) -> NDArray[np.float64]:
    """float64 with NaN for what is missing; a column of another type is a problem."""
    import pyarrow as pa

    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        problems.append(f"{place}: expected numbers, received {kind}")
        return np.zeros(len(column))
    values: NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy()
    return values


def texts(column: "pa.Array") -> list[str]:
    """Each value as text, empty for what is missing."""
    return ["" if each is None else str(each) for each in column.to_pylist()]
