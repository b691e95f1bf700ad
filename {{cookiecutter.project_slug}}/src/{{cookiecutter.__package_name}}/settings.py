"""Environment in, one frozen object out; read once by the entry points, then passed on.

Every variable starts with ML_; PORT, which platforms set, is used when ML_PORT is not
set. An unknown name or a bad value stops the start with one line that names it.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from .errors import SettingInvalid

PREFIX = "ML_"
# A value with :// in it must name an object store and a bucket.
STORE = r"^((s3|gs|az)://[^/].*|(?!.*://|(s3|gs|az):).+)\Z"
A_STORE = (
    "a store, or one version in it: a folder, s3://BUCKET/PATH, gs://BUCKET/PATH or "
    "az://CONTAINER/PATH"
)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What can be set; refusals and the README repeat these descriptions."""

    model_uri: Annotated[str, Meta(description=A_STORE, pattern=STORE)] = "models"
    host: Annotated[str, Meta(description="an address to listen on", min_length=1)] = (
        "127.0.0.1"
    )
    port: Annotated[int, Meta(description="a port, 0 to 65535", ge=0, le=65535)] = 8080
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="debug, info, warning or error"),
    ] = "info"
    max_body_bytes: Annotated[
        int, Meta(description="bytes of one body after decompression, 1 or more", ge=1)
    ] = 16_000_000
    max_rows: Annotated[
        int, Meta(description="rows of one request, 1 or more", ge=1)
    ] = 100_000
    max_in_flight: Annotated[
        int,
        Meta(description="requests in threads at once; 0 is one per core", ge=0),
    ] = 0
    max_queue: Annotated[
        int, Meta(description="larger requests that may wait, 0 or more", ge=0)
    ] = 32
    deadline_s: Annotated[
        float, Meta(description="seconds, more than 0, up to 3600", gt=0, le=3600)
    ] = 30.0
    keep_alive_s: Annotated[
        int, Meta(description="whole seconds, 1 to 3600", ge=1, le=3600)
    ] = 75
    drain_s: Annotated[float, Meta(description="seconds, 0 to 3600", ge=0, le=3600)] = (
        5.0
    )
    api_keys: Annotated[str, Meta(description="keys separated by commas")] = ""
    api_keys_file: Annotated[str, Meta(description="a file with one key per line")] = ""
    root_path: Annotated[
        str,
        Meta(
            description="empty, or a path that begins with /",
            pattern=r"^(/\S*[^/\s])?\Z",
        ),
    ] = ""
    docs: Annotated[bool, Meta(description="true or false")] = True
    compiled_dir: Annotated[
        str, Meta(description="a folder that `warm` compiled into")
    ] = ""
    page: Annotated[bool, Meta(description="true or false")] = True
    cpu_budget: Annotated[
        float,
        Meta(
            description="cores up to 4096; 0 takes the container's quota", ge=0, le=4096
        ),
    ] = 0.0
    canary_uri: Annotated[
        str, Meta(description=f"{A_STORE}, or nothing", pattern=f"^$|{STORE}")
    ] = ""
    canary_percent: Annotated[
        float, Meta(description="percent of the requests, 0 to 100", ge=0, le=100)
    ] = 0.0
    shadow_uri: Annotated[
        str, Meta(description=f"{A_STORE}, or nothing", pattern=f"^$|{STORE}")
    ] = ""


FIELDS = {field.name: field for field in msgspec.structs.fields(Settings)}


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Fails: SettingInvalid on the first variable that is unknown or can't be read."""
    given: dict[str, tuple[str, str]] = {}
    if platform_port := environment.get("PORT"):
        given["port"] = ("PORT", platform_port)
    for name, text in environment.items():
        if not name.startswith(PREFIX):
            continue
        field = name.removeprefix(PREFIX).lower()
        if field not in FIELDS or name != name.upper():
            known = ", ".join(PREFIX + known.upper() for known in FIELDS)
            raise SettingInvalid(name, f"one of {known}", "an unknown name")
        given[field] = (name, text)
    values: dict[str, Any] = {
        field: _read(field, *pair) for field, pair in given.items()
    }
    return Settings(**values)


def _read(field: str, name: str, text: str) -> object:
    kind = FIELDS[field].type
    if field == "log_level":
        text = text.lower()
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError:
        expected = kind.__metadata__[0].description
        raise SettingInvalid(name, expected, text) from None
