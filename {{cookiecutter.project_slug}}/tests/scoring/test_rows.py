"""Rows end where a reader of CSV, byte by byte, says that they end."""

import random

import pytest

from {{cookiecutter.__package_name}}.errors import (
    DataInvalid,
)
from {{cookiecutter.__package_name}}.scoring.rows import (
    row_ends,
)

CELLS = [
    "1",
    "",
    '"a\nb"',
    '"\n"',
    '"so ""\n"" it is"',
    '""""',
    '5" pipe',
    '"a"b"\r',
    '""',
]


def slow(content: bytes, size: int) -> tuple[list[int], bool]:
    """The same, one byte after the other."""
    ends, wanted = [], size
    state = "begin"
    for at, byte in enumerate(content.decode()):
        if state == "quoted":
            state = "closed" if byte == '"' else "quoted"
        elif byte == '"' and state in ("begin", "closed"):
            state = "quoted"
        else:
            state = "begin" if byte in ",\r\n" else "bare"
            if byte == "\n" and at >= wanted:
                ends.append(at + 1)
                wanted = at + 1 + size
    return ends, state == "quoted"


@pytest.mark.parametrize("seed", range(60))
def test_rows_end_where_a_slow_reader_says(seed: int) -> None:
    chance = random.Random(seed)
    cells = chance.sample(CELLS, chance.randint(1, len(CELLS)))
    text = "".join(
        ",".join(chance.choices(cells, k=2)) + chance.choice(["\n", "\r\n"])
        for _ in range(40)
    )
    content = text.encode()
    size, step = chance.randint(1, 60), chance.randint(1, 50)
    blocks = [content[at : at + step] for at in range(0, len(content), step)]
    expected, open_at_end = slow(content, size)
    assert not open_at_end
    assert list(row_ends("in.csv", blocks, size)) == expected
    with pytest.raises(DataInvalid, match=r"in\.csv: expected CSV, received a quoted"):
        list(row_ends("in.csv", [*blocks, b'1,"2\n'], size))
