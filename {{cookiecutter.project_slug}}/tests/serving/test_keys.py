"""Bearer keys, from the environment and from a file that changes."""

import os
from pathlib import (
    Path,
)

import pytest

from {{cookiecutter.__package_name}}.errors import (
    SettingInvalid,
    Unauthorised,
)
from {{cookiecutter.__package_name}}.serving.keys import (
    Keys,
)


def accepts(keys: Keys, key: str) -> bool:
    try:
        keys.check(f"Bearer {key}".encode())
    except Unauthorised:
        return False
    return True


def test_without_keys_none_is_required() -> None:
    assert not Keys("", "").required
    assert not Keys(" , ", "").required


def test_several_keys_are_valid_at_once() -> None:
    keys = Keys("old, new", "")
    assert keys.required
    assert accepts(keys, "old")
    assert accepts(keys, "new")
    assert not accepts(keys, "old, new")
    assert not accepts(keys, "")


def test_keys_are_rotated_without_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("first\n\n")
    keys = Keys("always", str(file))
    assert accepts(keys, "first")
    file.write_text("second\nthird\n")
    os.utime(file, ns=(1, 1))
    keys.refresh()
    assert not accepts(keys, "first")
    assert all(accepts(keys, key) for key in ("second", "third", "always"))


@pytest.mark.parametrize("damage", ["removed", "emptied"])
def test_a_damaged_file_never_opens_the_door(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "keys"
    file.write_text("first")
    keys = Keys("", str(file))
    if damage == "removed":
        file.unlink()
    else:
        file.write_text("\n")
    keys.refresh()
    assert keys.required
    assert accepts(keys, "first")
    assert not accepts(keys, "")


def test_a_file_that_holds_no_key_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match="expected a file that can be read"):
        Keys("", str(tmp_path / "none"))
    empty = tmp_path / "empty"
    empty.touch()
    with pytest.raises(SettingInvalid, match="expected a key in the file"):
        Keys("", str(empty))
