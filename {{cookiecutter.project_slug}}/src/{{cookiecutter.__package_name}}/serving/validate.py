"""Checks a decoded query; a refusal names the field."""

from ..errors import BodyTooLarge, FieldInvalid
from .decode import Query


def validate(query: Query, outputs: tuple[str, ...], max_rows: int) -> None:
    """Check what decoding could not know: the service's limit, the model's outputs.

    Fails: BodyTooLarge, FieldInvalid.
    """
    rows = query.X.shape[0]
    if rows > max_rows:
        raise BodyTooLarge("rows", max_rows, "rows", rows)
    if query.outputs is not None:
        for name in query.outputs:
            if name not in outputs:
                raise FieldInvalid("outputs", f"some of {', '.join(outputs)}", name)
