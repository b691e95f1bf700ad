"""The contract's rules for values, as the version in service keeps them.

What training refuses in a file is refused in a request too, and what it puts in the
place of a missing value is put there here.
"""

from collections.abc import Sequence
from operator import ge, le
from typing import Any

import msgspec
import numpy as np

from ..artifacts.artifact import Feature
from ..errors import FieldInvalid
from ..model.arrays import Floats

FEW = 32  # numbers that Python compares sooner than NumPy begins to


class Rules:
    """Ranges outside of which a value is impossible, and values for missing ones."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self.names = [each.name for each in features]
        self._low = np.array([bound(each.lowest, -np.inf) for each in features])
        self._high = np.array([bound(each.highest, np.inf) for each in features])
        self._lows, self._highs = (  # empty where a side has no bound at all
            side.tolist() if np.isfinite(side).any() else []
            for side in (self._low, self._high)
        )
        self._bounded = bool(self._lows or self._highs)
        self.fills = {
            each.name: each.missing for each in features if each.missing is not None
        }

    def check(self, X: Floats) -> None:
        """X: (n, d). Fails: FieldInvalid, naming row and feature."""
        if not self._bounded:
            return
        if len(X) == 1 and X.size <= FEW:
            (row,) = X.tolist()
            if all(map(le, self._lows, row)) and all(map(ge, self._highs, row)):
                return
        outside = np.zeros(X.shape, dtype=bool)
        if self._lows:
            outside |= self._low > X
        if self._highs:
            outside |= self._high < X
        if not outside.any():
            return
        i, j = np.argwhere(outside)[0]
        low, high = self._low[j], self._high[j]
        expected = f"{low:g} or more" if X[i, j] < low else f"{high:g} or less"
        raise FieldInvalid(f"row {i}, {self.names[j]}", expected, f"{X[i, j]:g}")

    def fill(self, body: bytes) -> tuple[bytes, list[str]]:
        """A body in which a null was found, and the features whose nulls were filled.

        Where the contract has no value for a null it stays, to be refused.
        """
        try:
            request = msgspec.json.decode(body)
            v2 = "inputs" in request
            rows = request["inputs"][0]["data"] if v2 else request["instances"]
        except (msgspec.DecodeError, RecursionError, LookupError, TypeError):
            return body, []  # faults behind the one that was found
        filled: list[str] = []
        if not isinstance(rows, list):
            return body, []
        nested = any(isinstance(row, list | dict) for row in rows)
        for row in rows if nested else [rows]:
            for place, name in self._nulls(row):
                if name in self.fills:
                    row[place] = self.fills[name]
                    filled.append(name)
        return msgspec.json.encode(request), filled

    def _nulls(self, row: Any) -> list[tuple[Any, str]]:
        """Where in a row, a list or an object by name, there is none, and of what."""
        if isinstance(row, dict):
            return [(name, name) for name, value in row.items() if value is None]
        d, values = len(self.names), row if isinstance(row, list) else []
        return [(j, self.names[j % d]) for j, v in enumerate(values) if v is None]


def bound(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
