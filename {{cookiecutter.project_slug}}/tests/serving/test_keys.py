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


@pytest.mark.parametrize("listed", [",", " ", " , "])
def test_a_list_that_holds_no_key_stops_the_start(listed: str) -> None:
    with pytest.raises(SettingInvalid, match="ML_API_KEYS: expected a key"):
        Keys(listed, "")


def test_several_keys_are_valid_at_once() -> None:
    keys = Keys("old, new", "")
    assert keys.required
    assert accepts(keys, "old")
    assert accepts(keys, "new")
    assert not accepts(keys, "old, new")
    assert not accepts(keys, "")


def test_what_has_passed_passes_again_and_opens_for_nothing_else() -> None:
    keys = Keys("first,second", "")
    for _ in range(2):
        assert accepts(keys, "first")
    for sent in (None, b"", b"first", b"Bearer", b"Bearer firs", b"Basic first"):
        with pytest.raises(Unauthorised):
            keys.check(sent)
    assert accepts(keys, "second")
    assert accepts(keys, "first")


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


@pytest.mark.parametrize(
    "damage",
    [
        "removed",
        "emptied",
        "not text",
        "large",
        pytest.param(
            "a pipe",
            marks=pytest.mark.skipif(os.name != "posix", reason="needs POSIX pipes"),
        ),
    ],
)
def test_a_damaged_file_never_opens_the_door_nor_ends_the_rotation(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "keys"
    file.write_text("# of the first team\nfirst")
    keys = Keys("", str(file))
    if damage in ("removed", "a pipe"):
        file.unlink()
        if damage == "a pipe":
            os.mkfifo(file)
    else:
        long = b"key\n" * 250_001
        contents = {"emptied": b"\n", "not text": b"\xff\xfe", "large": long}
        file.write_bytes(contents[damage])
    keys.refresh()
    keys.refresh()
    assert keys.required
    assert accepts(keys, "first")
    assert not accepts(keys, "")
    assert not accepts(keys, "# of the first team")
    assert caplog.text.count("the old keys stay") == 1
    assert "first" not in caplog.text
    file.unlink(missing_ok=True)
    file.write_text("second")
    keys.refresh()
    assert accepts(keys, "second")
    assert not accepts(keys, "first")


def test_a_file_that_may_be_read_later_is_read_without_a_new_stamp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "keys"
    file.write_text("first")
    keys = Keys("", str(file))

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied", str(file))

    for fault, rotated in enumerate(["second", "of the third"], start=1):
        file.write_text(rotated)
        with monkeypatch.context() as patched:
            patched.setattr(Path, "read_text", refuse)
            keys.refresh()
            keys.refresh()
        assert caplog.text.count("the old keys stay: [Errno 13]") == fault
        assert not accepts(keys, rotated)
        keys.refresh()
        assert accepts(keys, rotated)


def test_a_file_may_have_a_byte_order_mark_and_indents(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_bytes(b"\xef\xbb\xbffirst\n  # note\n  second \n")
    keys = Keys("", str(file))
    assert accepts(keys, "first")
    assert accepts(keys, "second")
    assert not accepts(keys, "# note")


def test_a_file_that_holds_no_key_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match="expected a file that can be read"):
        Keys("", str(tmp_path / "none"))
    unreadable = tmp_path / "unreadable"
    unreadable.write_bytes(b"\xff")
    with pytest.raises(SettingInvalid, match="expected a file that can be read"):
        Keys("", str(unreadable))
    empty = tmp_path / "empty"
    empty.touch()
    with pytest.raises(SettingInvalid, match="expected a key in the file"):
        Keys("", str(empty))
