"""Values that the contract calls impossible, or missing, in requests of every form."""

import json
from collections.abc import (
    Iterator,
)
from typing import (
    Any,
)

import msgspec
import numpy as np
import pytest
from asking import (
    Asked,
    asking,
    scrape,
)
from known import (
    known,
)

from {{cookiecutter.__package_name}} import (
    MODEL_NAME,
)
from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Feature,
)
from {{cookiecutter.__package_name}}.errors import (
    FieldInvalid,
)
from {{cookiecutter.__package_name}}.serving import (
    quick,
)
from {{cookiecutter.__package_name}}.serving import (
    rules as rules_module,
)
from {{cookiecutter.__package_name}}.serving.rules import (
    FEW,
    Rules,
)
from {{cookiecutter.__package_name}}.settings import (
    Settings,
)

FILL = 0.25


@pytest.fixture(scope="module")
def ask() -> Iterator[Asked]:
    """The first feature is never negative; only the second may be missing."""
    artifact = known()
    first, second = artifact.manifest.signature.features
    ruled = (
        replace_limits(first, 0.0, 1e6),
        msgspec.structs.replace(second, missing=FILL),
    )
    signature = msgspec.structs.replace(artifact.manifest.signature, features=ruled)
    manifest = msgspec.structs.replace(artifact.manifest, signature=signature)
    with asking(type(artifact)(manifest, artifact.files), Settings()) as asked:
        yield asked


def with_value(row: list[float], place: int, value: float | None) -> list[Any]:
    return [value if j == place else each for j, each in enumerate(row)]


@pytest.mark.parametrize(
    ("value", "expected"), [(-1.0, "0 or more"), (2e6, "1e+06 or less")]
)
def test_a_value_that_cannot_be_is_refused_by_row_and_name(
    ask: Asked, value: float, expected: str
) -> None:
    name = ask.edge.service.rules.names[0]
    rows = [ask.row, with_value(ask.row, 0, value)]
    for answer in (ask.v1(rows), ask.v2(rows, 2), ask.v2([*rows[0], *rows[1]], 2)):
        assert answer.status_code == 400
        assert answer.json()["error"] == (
            f"row 1, {name}: expected {expected}, received {value:g}"
        )
    assert ask.v1([with_value(ask.row, 0, 0.0)]).status_code == 200
    assert ask.v1([with_value(ask.row, 1, -1e9)]).status_code == 200, "no limit there"


def test_a_missing_value_is_what_the_contract_says_it_is(ask: Asked) -> None:
    rules = ask.edge.service.rules
    before = scrape(ask)["feature_missing_total", (rules.names[1],)]
    gap, filled = (with_value(ask.row, 1, value) for value in (None, FILL))
    expected = ask.v1([ask.row, filled]).json()
    assert ask.v1([ask.row, gap]).json() == expected
    by_name = [dict(zip(rules.names, row, strict=True)) for row in (ask.row, gap)]
    assert ask.v1(by_name).json() == expected
    expected = ask.v2([*ask.row, *filled], 2).json()
    assert ask.v2([*ask.row, *gap], 2).json() == expected
    assert ask.v2([ask.row, gap], 2).json() == expected
    after = scrape(ask)["feature_missing_total", (rules.names[1],)]
    assert after - before == 4


def test_another_missing_value_is_refused_as_ever(ask: Asked) -> None:
    answer = ask.v1([[None, None]])
    assert answer.status_code == 400
    assert answer.json()["error"].endswith("expected a number, received null")


def test_the_metadata_tells_the_rules(ask: Asked) -> None:
    told = ask.client.get(f"/v2/models/{MODEL_NAME}").json()["parameters"]["features"]
    rules = [{"lowest", "highest", "missing"} & set(each) for each in told]
    assert rules == [{"lowest", "highest"}, {"missing"}]
    assert told[1]["missing"] == FILL


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "[null]",
        "5",
        "{}",
        '{"instances": 5}',
        '{"instances": [[1, null]], "inputs": 5}',
        '{"inputs": [{"data": {"a": null}}]}',
        '{"instances": [[1, null, 3]]',
        '{"instances": ["null", 5, [null]]}',
    ],
)
def test_what_cannot_be_filled_stays_as_it_is(body: str) -> None:
    rules = Rules([Feature(name, "", 0.0, 1.0, 2.0) for name in "abc"])
    text, filled = rules.fill(body.encode())
    assert filled == []
    if text != body.encode():
        assert json.loads(text) == json.loads(body)


def tensor(data: object) -> object:
    return {"inputs": [{"name": "features", "data": data}], "id": "x"}


@pytest.mark.parametrize("size", [quick.SLICE, 40, 1])
@pytest.mark.parametrize("form", ["lists", "objects", "nested tensor", "flat tensor"])
def test_a_large_body_is_filled_in_slices_as_it_would_be_whole(
    form: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = [Feature(name, "", 0.0, 1.0, 2.0) for name in ("a, {", "b], [", "c")]
    first, second, third = known
    second = msgspec.structs.replace(second, missing=FILL)
    rules = Rules([first, second, third])
    rows = [[1.5, None if i % 7 == 0 else 2, i] for i in range(2000)]
    rows[1998][2] = None  # the contract has nothing for it
    objects = [dict(zip(rules.names, row, strict=True)) for row in rows]
    body = json.dumps(
        {
            "lists": {"instances": rows},
            "objects": {"instances": objects},
            "nested tensor": tensor(rows),
            "flat tensor": tensor([each for row in rows for each in row]),
        }[form]
    ).encode()
    monkeypatch.setattr(rules_module, "LARGE", len(body))
    whole = rules.fill(body)
    assert whole[1] == [second.name] * 286
    assert whole[0].count(b"null") == 1
    monkeypatch.setattr(rules_module, "LARGE", 0)
    monkeypatch.setattr(quick, "SLICE", size)
    sliced = rules.fill(body)
    assert json.loads(sliced[0]) == json.loads(whole[0])
    assert sliced[1] == whole[1]


def test_no_call_to_fill_gets_a_whole_body(monkeypatch: pytest.MonkeyPatch) -> None:
    rules = Rules([msgspec.structs.replace(Feature("a", "", 0, 1, 2), missing=FILL)])
    body = b'{"instances": [%b]}' % b", ".join([b"[1.25]", b"[null]"] * 50_000)
    given: list[int] = []

    class Noting:
        def decode(self, text: bytes) -> object:
            given.append(len(text))
            return msgspec.json.decode(text)

    monkeypatch.setattr(rules_module, "anything", Noting())
    text, filled = rules.fill(body)
    assert text == body.replace(b"null", b"0.25").replace(b", ", b",")
    assert len(filled) == 50_000
    assert sum(given) > len(body) * 0.9
    assert max(given) < quick.SLICE + 100


def test_rules_that_say_nothing_let_everything_through() -> None:
    Rules([Feature("a", "", 0.0, 1.0, 2.0)]).check(np.array([[-1e300], [1e300]]))


def test_the_documented_rows_have_the_limits(ask: Asked) -> None:
    paths = ask.client.get("/openapi.json").json()["paths"]
    path = next(each for each in paths if each.endswith("}:predict"))
    content = paths[path]["post"]["requestBody"]["content"]["application/json"]
    rows = content["schema"]["properties"]["instances"]["items"]["oneOf"]
    first, second = rows[0]["prefixItems"]
    assert (first["minimum"], first["maximum"]) == (0, 1e6)
    assert second["type"] == ["number", "null"]
    assert list(rows[1]["properties"].values()) == [first, second]


def test_the_first_fault_is_named() -> None:
    bounds = replace_limits(Feature("a", "", 0.0, 1.0, 2.0), 0.0, 1.0)
    with pytest.raises(FieldInvalid, match="row 2, a: expected 1 or less, received 3"):
        Rules([bounds]).check(np.array([[0.5], [1.0], [3.0], [-1.0]]))


def replace_limits(feature: Feature, low: float, high: float) -> Feature:
    return msgspec.structs.replace(feature, lowest=low, highest=high)


@pytest.mark.parametrize("width", [1, FEW, FEW + 1])
def test_one_row_is_held_to_its_ranges_however_wide(width: int) -> None:
    bounds = replace_limits(Feature("a", "", 0.0, 1.0, 2.0), 0.0, 1.0)
    rules, row = Rules([bounds] * width), np.full((1, width), 0.5)
    rules.check(row)
    row[0, -1] = 3.0
    with pytest.raises(FieldInvalid, match="row 0, a: expected 1 or less, received 3"):
        rules.check(row)
