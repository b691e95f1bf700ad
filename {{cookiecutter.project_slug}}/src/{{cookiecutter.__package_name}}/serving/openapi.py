"""The model's signature in, JSON schemas and examples for the documented routes out."""

from typing import Any

from ..artifacts.artifact import Feature
from .decode import INPUT
from .numbers import DATATYPES
from .service import Service

Schema = dict[str, Any]

ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}},
    "example": {"error": "instances[0][3]: expected a number, received a string"},
}
REFUSALS = {
    400: "Malformed, or a wrong name, shape, type or value; the message names it.",
    401: "Keys are required and none that is valid was sent.",
    404: "No such path, model or version.",
    405: "The path exists, the method does not.",
    408: "The body did not arrive in time.",
    413: "More bytes or rows than this service takes.",
    415: "A content type or encoding that is not read.",
    503: "Not ready, draining, or busy; Retry-After says when to come back.",
    504: "The answer would come too late.",
}


THEIRS = "/HTTPValidationError'"  # end of a reference to FastAPI's own error schema


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    content = {"application/json": {"schema": ERROR}}
    return {
        status: {"description": REFUSALS[status], "content": content}
        for status in statuses
    }


def answer(schema: Schema, description: str) -> dict[int | str, dict[str, Any]]:
    content = {"application/json": {"schema": schema}}
    return {200: {"description": description, "content": content}}


def finish(described: Schema, keys: bool) -> Schema:
    """What the framework made of the routes, as the service behaves.

    It announces a 422 of its own, which add_failures makes a 400, and knows of no keys.
    """
    for path, operations in described["paths"].items():
        for operation in operations.values():
            responses = operation["responses"]
            if THEIRS in str(responses.get("422")):
                del responses["422"]
                for status, refused in refusals(400).items():
                    responses.setdefault(str(status), refused)
            if keys and not path.startswith("/v2/health/"):
                theirs = operation.get("security", [{}])
                operation["security"] = [{**each, "key": []} for each in theirs]
    if keys:
        parts = described.setdefault("components", {})
        schemes = parts.setdefault("securitySchemes", {})
        schemes["key"] = {"type": "http", "scheme": "bearer"}
    return described


def body(schema: Schema, example: object) -> dict[str, Any]:
    """For `openapi_extra`: our own steps decode the body, not the framework."""
    content = {"application/json": {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


def typical_row(service: Service) -> list[float]:
    """The median of every feature, so that an example is a request that works."""
    return [feature.median for feature in features(service)]


def features(service: Service) -> tuple[Feature, ...]:
    return service.manifest.signature.features if service.manifest else ()


def v1_request(service: Service) -> dict[str, Any]:
    columns = features(service)
    width = len(columns)
    described = {column.name: value(column) for column in columns}
    row_list = {
        "type": "array",
        "prefixItems": list(described.values()),
        "minItems": width,
        "maxItems": width,
    }
    row_object = {
        "type": "object",
        "properties": described,
        "required": list(described),
        "additionalProperties": False,
    }
    schema = {
        "type": "object",
        "required": ["instances"],
        "properties": {
            "instances": {
                "type": "array",
                "minItems": 1,
                "maxItems": service.settings.max_rows,
                "items": {"oneOf": [row_list, row_object]},
            }
        },
    }
    return body(schema, {"instances": [typical_row(service)]})


def value(column: Feature) -> Schema:
    """A number, within what the contract calls possible."""
    limits = {"minimum": column.lowest, "maximum": column.highest}
    return {
        "type": "number" if column.missing is None else ["number", "null"],
        "description": f"{column.name}, {column.unit or 'no unit'}; "
        f"{column.minimum:g} to {column.maximum:g} in training",
        **{name: each for name, each in limits.items() if each is not None},
    }


def v1_response(service: Service) -> Schema:
    item: Schema = {"type": "number"}
    if service.predictor and service.predictor.classes:
        item = {
            "type": "object",
            "required": ["label", "probabilities"],
            "properties": {
                "label": {"type": "string", "enum": list(service.predictor.classes)},
                "probabilities": {"type": "array", "items": {"type": "number"}},
            },
        }
    return {
        "type": "object",
        "required": ["predictions"],
        "properties": {"predictions": {"type": "array", "items": item}},
    }


def v2_request(service: Service) -> dict[str, Any]:
    width = len(features(service))
    number = {"type": "number"}
    parameters = {"type": ["object", "null"]}
    tensor = {
        "type": "object",
        "required": ["name", "shape", "datatype", "data"],
        "properties": {
            "name": {"const": INPUT},
            "shape": {
                "type": "array",
                "prefixItems": [
                    {
                        "type": "integer",
                        "minimum": 1,
                        "maximum": service.settings.max_rows,
                    },
                    {"const": width},
                ],
                "minItems": 2,
                "maxItems": 2,
            },
            "datatype": {"enum": list(DATATYPES)},
            "data": {
                "description": "Flat in row order, or a list per row.",
                "type": "array",
                "items": {
                    "oneOf": [
                        number,
                        {
                            "type": "array",
                            "items": number,
                            "minItems": width,
                            "maxItems": width,
                        },
                    ]
                },
            },
            "parameters": parameters,
        },
    }
    output = {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"enum": list(service.outputs)},
            "parameters": parameters,
        },
    }
    schema = {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": ["string", "null"]},
            "inputs": {"type": "array", "items": tensor, "minItems": 1, "maxItems": 1},
            "outputs": {"type": ["array", "null"], "items": output},
            "parameters": parameters,
        },
    }
    row = typical_row(service)
    example = {
        "inputs": [
            {"name": INPUT, "shape": [1, width], "datatype": "FP64", "data": row}
        ]
    }
    request = body(schema, example)
    request["requestBody"]["content"]["application/octet-stream"] = {
        "schema": {
            "type": "string",
            "format": "binary",
            "description": "The JSON, as long as Inference-Header-Content-Length says, "
            "then the tensor's bytes, as long as its parameter binary_data_size says.",
        }
    }
    return request


V2_RESPONSE: Schema = {
    "type": "object",
    "required": ["model_name", "model_version", "outputs"],
    "properties": {
        "model_name": {"type": "string"},
        "model_version": {"type": "string"},
        "id": {"type": "string"},
        "outputs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "shape", "datatype"],
                "properties": {
                    "name": {"type": "string"},
                    "shape": {"type": "array", "items": {"type": "integer"}},
                    "datatype": {"enum": ["BYTES", "FP64"]},
                    "data": {"type": "array"},
                },
            },
        },
    },
}
