"""Where the rows of a CSV file end: at line breaks outside of quoted cells."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from ..errors import DataInvalid

BLOCK_BYTES = 2**22
QUOTE = ord('"')
TEXT = ord("x")
BEFORE_A_CELL = b",\r\n"


def row_ends(name: str, blocks: Iterable[bytes], size: int) -> Iterator[int]:
    """Offsets just after a row's end, each the first at least `size` after the last.

    blocks: the file, or a part of it, in pieces; the first begins where a row begins.
    Fails: DataInvalid when a quoted cell is never closed.
    """
    quoted, last = False, ord("\n")
    begin, wanted = 0, size
    for block in blocks:
        quotes = _find_quotes(block, quoted, last)
        while end := _next_end(block, max(wanted - begin, 0), quotes, quoted):
            yield begin + end
            wanted = begin + end + size
        quoted ^= len(quotes) % 2 == 1
        last = block[-1]
        if last == QUOTE and not (len(quotes) and quotes[-1] == len(block) - 1):
            last = TEXT
        begin += len(block)
    if quoted:
        problem = "expected CSV, received a quoted cell that is never closed"
        raise DataInvalid(name, [problem])


def _find_quotes(block: bytes, quoted: bool, last: int) -> NDArray[np.int64]:
    """Where quoted cells begin and end; a doubled quote inside adds two, still even.

    quoted: whether the block begins within such a cell.  last: the byte before it.
    """
    if b'"' not in block:
        return np.empty(0, np.int64)
    content = np.frombuffer(block, np.uint8)
    found = np.flatnonzero(content == QUOTE)
    opening = found[int(quoted) :: 2]
    before = content[opening - 1]
    if len(opening) and opening[0] == 0:
        before[0] = last
    if np.isin(before, list(BEFORE_A_CELL + b'"')).all():
        return found
    return _leave_out_text(block, found, quoted, last)


def _leave_out_text(
    block: bytes, found: NDArray[np.int64], quoted: bool, last: int
) -> NDArray[np.int64]:
    """As `_find_quotes`, one by one, leaving out quotes inside unquoted cells."""
    kept = []
    closed = -1 if last == QUOTE else None
    for at in found.tolist():
        if quoted:
            closed = at
        elif at - 1 != closed and (block[at - 1] if at else last) not in BEFORE_A_CELL:
            continue
        quoted = not quoted
        kept.append(at)
    return np.array(kept, np.int64)


def _next_end(block: bytes, start: int, quotes: NDArray[np.int64], quoted: bool) -> int:
    """Offset just after the first line break from `start` on that ends a row, or 0."""
    at = block.find(b"\n", start)
    while at >= 0:
        before = int(np.searchsorted(quotes, at))
        if (before + quoted) % 2 == 0:
            return at + 1
        if before == len(quotes):
            return 0
        at = block.find(b"\n", int(quotes[before]))
    return 0
