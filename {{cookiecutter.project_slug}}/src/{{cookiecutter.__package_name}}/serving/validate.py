"""A decoded query in; nothing out, or a refusal that names the field."""

from ..errors import BodyTooLarge, FieldInvalid
from .decode import Query


def validate(query: Query, outputs: tuple[str, ...], max_rows: int) -> None:
    """What decoding could not know: the limit of this service, the model's outputs.

    Fails: BodyTooLarge, FieldInvalid.
    """
    rows = query.X.shape[0]
    if rows > max_rows:
        raise BodyTooLarge("rows", max_rows, "rows", rows)
    if query.outputs is not None:
        for name in query.outputs:
            if name not in outputs:
                raise FieldInvalid("outputs", f"some of {', '.join(outputs)}", name)
