"""JSON in, its content out; or exactly what is wrong with it, and where.

msgspec decodes it and holds the GIL meanwhile. So a body with one long list can be read
in parts, each of which is the same request with only some members of the list.
"""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from ..errors import BodyTooLarge, FieldInvalid, Malformed
from .quick import BEGIN, Place, count, find_list, first, slices

Decoder = msgspec.json.Decoder[Any]
anything = msgspec.json.Decoder()

NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

REST = 4096  # maximum bytes around the list in a usual request
SPARE = 64  # allowance for brackets and commas that are not data

# The index of a row of V1, or of a member of V2's data, in msgspec's messages.
MEMBER = re.compile(r"(?<=\.instances\[)\d+|(?<=\.data\[)\d+")

# Where a body is not JSON or not text, in the messages of msgspec and Python.
AT_BYTE = re.compile(r"(?<=\(byte )\d+(?=\))|(?<= in position )\d+")

WORDS = {
    "float": "a number",
    "int": "a whole number",
    "str": "a string",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def decode_json(decoder: Decoder, body: bytes, before: int = 0) -> Any:
    """before: how many members of the list came in earlier parts of the request.

    Fails: Malformed when it is not JSON, FieldInvalid naming the place of a fault.
    """
    try:
        if not body.isascii():
            body.decode()  # msgspec doesn't check the UTF-8 of names that it skips
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise in_our_words(str(error), before) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed("JSON", str(error)) from None
    except RecursionError:
        raise Malformed("JSON", "lists nested too deep") from None


def set_apart(body: bytes, name: bytes, decoder: Decoder) -> tuple[Any, Place] | None:
    """The request with its one long list empty, and the place of the list's members.

    None when the request is unusual or wrong.
    """
    place = find_list(body, name)
    if place is None:
        return None
    rest = body[: place[0]] + body[place[1] :]
    # If the name occurs twice or has an escape, another list could be meant.
    if len(rest) > REST or rest.count(b'"%b"' % name) != 1 or b"\\" in rest:
        return None
    try:
        return decode_json(decoder, rest), place
    except (FieldInvalid, Malformed):
        return None


def parts(body: bytes, place: Place) -> Iterator[bytes]:
    """The same request with some members of its list at a time.

    Fails: Malformed when there is nothing between two commas.
    """
    for begin, end in slices(body, place):
        text = body[begin:end]
        if not text.strip():
            raise Malformed("JSON", "two commas")
        yield body[: place[0]] + text + body[place[1] :]


def refuse_malformed(decoder: Decoder, body: bytes, name: bytes) -> None:
    """Find what is not JSON in a large body without decoding all of it at once.

    The list is tried slice by slice. To name the fault, only the text before the list
    and the faulty slice are decoded, as if the slices between were not there.
    Returns when there seems to be no fault. Fails: Malformed.
    """
    found = BEGIN[name].search(body)
    if found is None or found.end() > REST:
        return
    begin = found.end()
    for start, end in slices(body, (begin, len(body))):
        try:
            anything.decode(b"[%b]" % body[start:end])
        except NO_JSON:
            break
    if start > begin and first(body, start) == b"]":
        return  # decoded here it would pass as an empty list, but a comma precedes it
    try:
        decode_json(decoder, body[:begin] + body[start:end])
    except FieldInvalid:
        return
    except Malformed as error:
        at = AT_BYTE.search(error.received)
        if at is None and end < len(body):
            return  # it ends too early only because it is a part
        ahead = start - begin if at and int(at[0]) >= begin else 0
        text = AT_BYTE.sub(lambda byte: str(int(byte[0]) + ahead), error.received)
        raise Malformed("JSON", text) from None


def check_size(body: bytes, width: int, max_rows: int) -> None:
    """Refuse a body that would cost more to decode than the largest that is allowed.

    A list of a million empty lists is two megabytes of text and a hundred of memory.
    Fails: BodyTooLarge.
    """
    lists, objects, commas = (count(mark, body) for mark in (b"[", b"{", b","))
    if lists + objects > max_rows + SPARE or commas > max_rows * width + SPARE:
        raise BodyTooLarge("body", max_rows, f"rows of {width} values", "more")


def in_our_words(text: str, before: int) -> FieldInvalid:
    """msgspec's message in our own form: place, expected, received."""
    text = MEMBER.sub(lambda number: str(int(number[0]) + before), text)
    reason, _, place = text.partition(" - at `$")
    place = place.strip("`.") or "body"
    if match := re.fullmatch(r"Expected `(.+)`, got `(.+)`", reason):
        expected = " or ".join(WORDS.get(w, w) for w in match[1].split(" | "))
        received = WORDS.get(match[2], match[2])
        cell = re.search(r"\[(\d+)\]$", place) if received == "null" else None
        return FieldInvalid(place, expected, received, int(cell[1]) if cell else None)
    if match := re.search(r"missing required field `(.+)`", reason):
        return FieldInvalid(place, f"field {match[1]!r}", "none")
    return FieldInvalid(place, "a number within float64", reason.lower())
