"""The contract's rules for values, as the version in service stores them.

A value that training refuses in a file is refused in a request too, and a missing value
is filled in with the same number.
"""

from collections.abc import Sequence
from operator import ge, le
from typing import Any

import msgspec
import numpy as np

from ..artifacts.artifact import Feature
from ..errors import FieldInvalid
from ..model.arrays import Floats
from .careful import NO_JSON, anything, set_apart
from .decode import LARGE
from .quick import Place, slices

FEW = 32  # up to so many numbers Python compares faster than NumPy


class Rules:
    """Ranges outside of which a value is impossible, and values for missing ones."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self.names = [each.name for each in features]
        self._low = np.array([bound(each.lowest, -np.inf) for each in features])
        self._high = np.array([bound(each.highest, np.inf) for each in features])
        self._lows, self._highs = (  # empty if no feature has a bound on that side
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
        """Fill the nulls of a body; returns it and the features that were filled.

        A null for which the contract has no value stays, to be refused.
        """
        for name in (b"instances", b"data") if len(body) > LARGE else ():
            if found := set_apart(body, name, anything):
                try:
                    return self._fill_slices(body, found[1])
                except NO_JSON:  # a slice by itself; the whole may be right
                    break
        try:
            request = anything.decode(body)
            v2 = "inputs" in request
            rows = request["inputs"][0]["data"] if v2 else request["instances"]
        except (*NO_JSON, LookupError, TypeError):
            return body, []  # other faults, after the one that was found
        if not isinstance(rows, list):
            return body, []
        filled = self._fill_members(rows)
        return msgspec.json.encode(request), filled

    def _fill_slices(self, body: bytes, place: Place) -> tuple[bytes, list[str]]:
        """Fill the list at `place` in slices, since each decoding holds the GIL."""
        texts: list[bytes] = []
        filled: list[str] = []
        n = 0
        for begin, end in slices(body, place):
            members = anything.decode(b"[%b]" % body[begin:end])
            filled += self._fill_members(members, n)
            n += len(members)
            texts.append(msgspec.json.encode(members)[1:-1])
        return body[: place[0]] + b",".join(texts) + body[place[1] :], filled

    def _fill_members(self, members: list[Any], before: int = 0) -> list[str]:
        """Fill rows, or flat numbers after `before` others, in place."""
        nested = any(isinstance(each, list | dict) for each in members)
        filled: list[str] = []
        for row in members if nested else [members]:
            for place, name in self._nulls(row, 0 if nested else before):
                if name in self.fills:
                    row[place] = self.fills[name]
                    filled.append(name)
        return filled

    def _nulls(self, row: Any, before: int) -> list[tuple[Any, str]]:
        """Key and feature name of each null in a row, which is a list or an object."""
        if isinstance(row, dict):
            return [(name, name) for name, value in row.items() if value is None]
        d, values = len(self.names), row if isinstance(row, list) else []
        return [
            (j, self.names[(before + j) % d])
            for j, value in enumerate(values)
            if value is None
        ]


def bound(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
