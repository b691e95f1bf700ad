"""The tree of failures is as drawn, and each words its own message."""

from collections.abc import Iterator

import pytest

from {{cookiecutter.__package_name}} import (
    errors,
)

# Facts in, the sentence that a person reads out.
SENTENCES = [
    (
        errors.SettingInvalid("ML_PORT", "a port", "eighty"),
        "ML_PORT: expected a port, received 'eighty'",
    ),
    (
        errors.DataInvalid("wine.csv", ["line 2: too short"]),
        "wine.csv: line 2: too short",
    ),
    (
        errors.DataInvalid("wine.csv", ["line 2: too short", "line 9: too long"]),
        "wine.csv: 2 problems\n  line 2: too short\n  line 9: too long",
    ),
    (errors.TrainingImpossible("too few rows"), "too few rows"),
    (
        errors.ArtifactMissing("models/wine", "version '7'", "run `train` first"),
        "models/wine: version '7' not found; run `train` first",
    ),
    (
        errors.ArtifactCorrupt("weights.npz", "12 bytes", 11),
        "weights.npz: expected 12 bytes, received 11",
    ),
    (
        errors.StoreUnreachable("s3://models/wine", "no route"),
        "s3://models/wine: can't be reached: no route; check the address, the network "
        "and the environment (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, "
        "AWS_SECRET_ACCESS_KEY)",
    ),
    (
        errors.PromotionRefused("7", ["accuracy is 0.5", "log_loss is 2"]),
        "version 7 is not promoted: accuracy is 0.5; log_loss is 2. "
        "Improve the model, or state why with --force REASON",
    ),
    (
        errors.AdoptionRefused("inputs", "one", "two", "export one"),
        "inputs: expected one, received two; export one",
    ),
    (
        errors.Malformed("a JSON object", "nothing"),
        "body: expected a JSON object, received nothing",
    ),
    (
        errors.FieldInvalid("id", "text", "a number"),
        "id: expected text, received a number",
    ),
    (
        errors.FieldInvalid("id", "text", "9" * 5000),
        f"id: expected text, received {'9' * 100}... (5000 characters)",
    ),
    (errors.UnknownPath("/v3: no such path"), "/v3: no such path"),
    (
        errors.MethodRefused("/v2", "GET", "PUT"),
        "/v2: expected GET, received PUT",
    ),
    (
        errors.Unauthorised(),
        "authorization: expected 'Bearer' and a valid key, received none that is",
    ),
    (
        errors.StateRefused("trees", "builtins.set"),
        "model state 'trees': expected an array of numbers or text, a finite number, "
        "text, or lists and dicts of these, received builtins.set. Anything else needs "
        "pickle, and reading a pickle can run any code: let to_arrays return the "
        "arrays that it is made of, or export the model to ONNX",
    ),
    (
        errors.BodyTooSlow(30.0),
        "body: expected all of it by now, got less in 30.0 s",
    ),
    (
        errors.BodyTooLarge("rows", 100, "rows", 101),
        "rows: expected at most 100 rows, got 101",
    ),
    (
        errors.MediaUnsupported("content-type", "application/json", "text/csv"),
        "content-type: expected application/json, received 'text/csv'",
    ),
    (
        errors.NotReady("starting"),
        "not ready: starting; try again later",
    ),
    (
        errors.Overloaded("2 requests in flight and 32 waiting"),
        "2 requests in flight and 32 waiting: all that this service takes; "
        "try again later",
    ),
    (
        errors.DeadlineExceeded(0.5),
        "no answer within 0.5 s; send fewer rows",
    ),
]


@pytest.mark.parametrize(("error", "sentence"), SENTENCES)
def test_an_error_is_a_sentence_that_names_the_facts(
    error: errors.ProjectError, sentence: str
) -> None:
    assert str(error) == sentence


def test_every_error_that_can_be_raised_has_its_sentence_here() -> None:
    worded = {type(error).__name__ for error, _ in SENTENCES}
    raised = {name for _, name in tree(errors.ProjectError) if leaf(name)}
    assert worded == raised


def test_the_drawn_tree_is_the_tree_of_classes() -> None:
    lines = str(errors.__doc__).splitlines()
    drawing = lines[lines.index("ProjectError") :]
    drawn = [
        (len(line) - len(line.lstrip("│├└─ ")), line.lstrip("│├└─ ").split()[0])
        for line in drawing
        if line
    ]
    assert [(indent // 4, name) for indent, name in drawn] == list(
        tree(errors.ProjectError)
    )


def tree(error: type[Exception], depth: int = 0) -> Iterator[tuple[int, str]]:
    """(depth, name) of a class and all below it, in the order of the source."""
    yield depth, error.__name__
    for child in error.__subclasses__():
        yield from tree(child, depth + 1)


def leaf(name: str) -> bool:
    return not getattr(errors, name).__subclasses__()
