"""What a data file must hold: one file that training, serving and scoring share."""

import math
import re
from pathlib import Path
from typing import Annotated

import msgspec

from ..artifacts.artifact import Manifest
from ..errors import DataInvalid

Name = Annotated[str, msgspec.Meta(min_length=1)]


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A feature: its unit, and the range outside of which a value is impossible.

    missing: replaces a missing value; if not given, a missing value is refused.
    """

    name: Name
    unit: str = ""
    minimum: float = -math.inf
    maximum: float = math.inf
    missing: float | None = None


class Contract(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a data file must hold. No classes means that the target is a number.

    group: a column; rows with the same value in it stay on one side of the split.
    time: a column; the latest rows by it are the ones to judge by.  ignored: columns
    that may be there and are not read.  examples: how many rows a version's signature
    may show to those who ask for it.
    """

    target: Name
    features: Annotated[tuple[Column, ...], msgspec.Meta(min_length=1)]
    classes: tuple[Name, ...] = ()
    group: Name | None = None
    time: Name | None = None
    ignored: tuple[Name, ...] = ()
    examples: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.features]

    @property
    def key(self) -> str | None:
        """The column that decides which rows are held out, if there is one."""
        return self.group or self.time


def read_contract(path: Path) -> Contract:
    """Fails: DataInvalid when it is missing, not TOML, or breaks a rule."""
    try:
        contract = msgspec.toml.decode(path.read_bytes(), type=Contract)
    except FileNotFoundError:
        raise DataInvalid(path, ["expected a contract, received no file"]) from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataInvalid(path, [f"{error}{_remedy(str(error))}"]) from None
    others = [name for name in (contract.group, contract.time) if name]
    columns = [*contract.names, contract.target, *others, *contract.ignored]
    problems = [
        f"column {name!r}: expected once, received twice"
        for name in dict.fromkeys(columns)
        if columns.count(name) > 1
    ]
    if len(contract.classes) == 1 or len(set(contract.classes)) < len(contract.classes):
        problems.append(
            f"classes: expected two or more different ones, or none for a number, "
            f"received {list(contract.classes)}"
        )
    problems += [
        f"column {column.name!r}: expected a minimum below the maximum, "
        f"received {column.minimum:g} and {column.maximum:g}"
        for column in contract.features
        if not column.minimum < column.maximum
    ]
    problems += [
        f"column {column.name!r}: expected missing between {column.minimum:g} and "
        f"{column.maximum:g}, received {column.missing:g}"
        for column in contract.features
        if column.missing is not None
        and not column.minimum <= column.missing <= column.maximum
    ]
    if len(others) > 1:
        problems.append("expected a group or a time to split by, received both")
    if problems:
        raise DataInvalid(path, problems)
    return contract


def _remedy(problem: str) -> str:
    """What to change, for mistakes that are common in a first contract."""
    if problem.startswith(("Expected `str`", "Invalid value")):
        return '; text stands in quotes: "0", "yes"'
    misplaced = re.search(r"unknown field `(\w+)` - at `\$\.features\[", problem)
    if misplaced and misplaced[1] in Contract.__struct_fields__:
        return "; all keys but features stand above the first [[features]]"
    return ""


def check_learned(contract: Contract, manifest: Manifest) -> None:
    """Check that columns and classes are the version's; a kernel takes them by place.

    Fails: DataInvalid when the version learned other columns or classes, or in another
    column order, in which its answers would be wrong.
    """
    known = [feature.name for feature in manifest.signature.features]
    classes = set(manifest.signature.classes)
    if known != contract.names or classes != set(contract.classes):
        raise DataInvalid(
            "contract",
            [
                f"expected the columns and classes that version {manifest.version} "
                "learned, in their order; give the contract it was made with, or "
                "train anew"
            ],
        )
