"""Environment in, one frozen object out; a bad variable is named."""

import re
from pathlib import (
    Path,
)

import msgspec
import pytest

from {{cookiecutter.__package_name}}.errors import (
    SettingInvalid,
)
from {{cookiecutter.__package_name}}.settings import (
    Settings,
    read_settings,
)

READ = [
    ("ML_MODEL_URI", "/srv/models", "model_uri", "/srv/models"),
    ("ML_HOST", "0.0.0.0", "host", "0.0.0.0"),
    ("ML_PORT", "9000", "port", 9000),
    ("ML_LOG_LEVEL", "debug", "log_level", "debug"),
    ("ML_MAX_BODY_BYTES", "1024", "max_body_bytes", 1024),
    ("ML_MAX_ROWS", "7", "max_rows", 7),
    ("ML_MAX_IN_FLIGHT", "3", "max_in_flight", 3),
    ("ML_MAX_QUEUE", "0", "max_queue", 0),
    ("ML_DEADLINE_S", "0.5", "deadline_s", 0.5),
    ("ML_KEEP_ALIVE_S", "620", "keep_alive_s", 620),
    ("ML_DRAIN_S", "0", "drain_s", 0.0),
    ("ML_API_KEYS", "one,two", "api_keys", "one,two"),
    ("ML_API_KEYS_FILE", "/run/secrets/keys", "api_keys_file", "/run/secrets/keys"),
    ("ML_ROOT_PATH", "/wine/v7", "root_path", "/wine/v7"),
    ("ML_DOCS", "false", "docs", False),
    ("ML_COMPILED_DIR", "/app/compiled", "compiled_dir", "/app/compiled"),
    ("ML_PAGE", "0", "page", False),
    ("ML_CPU_BUDGET", "1.5", "cpu_budget", 1.5),
    ("ML_CANARY_URI", "models/7", "canary_uri", "models/7"),
    ("ML_CANARY_PERCENT", "2.5", "canary_percent", 2.5),
    ("ML_SHADOW_URI", "models/7", "shadow_uri", "models/7"),
]
A_STORE = (
    "a store, or one version in it: a folder, s3://BUCKET/PATH, gs://BUCKET/PATH or "
    "az://CONTAINER/PATH"
)
REFUSED = [
    ("ML_MODEL_URI", "", A_STORE),
    ("ML_MODEL_URI", "https://models.example", A_STORE),
    ("ML_MODEL_URI", "S3://models", A_STORE),
    ("ML_MODEL_URI", "s3://", A_STORE),
    ("ML_MODEL_URI", "s3:///models", A_STORE),
    ("ML_MODEL_URI", "s3:models", A_STORE),
    ("ML_CANARY_URI", "file:///models", f"{A_STORE}, or nothing"),
    ("ML_SHADOW_URI", "gs://", f"{A_STORE}, or nothing"),
    ("ML_HOST", "", "an address to listen on"),
    ("ML_PORT", "http", "a port, 0 to 65535"),
    ("ML_PORT", "65536", "a port, 0 to 65535"),
    ("ML_PORT", "-1", "a port, 0 to 65535"),
    ("ML_LOG_LEVEL", "loud", "debug, info, warning or error"),
    ("ML_MAX_BODY_BYTES", "0", "bytes of one body after decompression, 1 or more"),
    ("ML_MAX_ROWS", "0", "rows of one request, 1 or more"),
    ("ML_MAX_ROWS", "1.5", "rows of one request, 1 or more"),
    ("ML_MAX_IN_FLIGHT", "-1", "requests in threads at once; 0 is one per core"),
    ("ML_MAX_QUEUE", "-1", "larger requests that may wait, 0 or more"),
    ("ML_DEADLINE_S", "0", "seconds, more than 0, up to 3600"),
    ("ML_DEADLINE_S", "nan", "seconds, more than 0, up to 3600"),
    ("ML_DEADLINE_S", "inf", "seconds, more than 0, up to 3600"),
    ("ML_KEEP_ALIVE_S", "0", "whole seconds, 1 to 3600"),
    ("ML_KEEP_ALIVE_S", "1.5", "whole seconds, 1 to 3600"),
    ("ML_DRAIN_S", "-1", "seconds, 0 to 3600"),
    ("ML_DRAIN_S", "inf", "seconds, 0 to 3600"),
    ("ML_ROOT_PATH", "wine", "empty, or a path that begins with /"),
    ("ML_ROOT_PATH", "/wine/", "empty, or a path that begins with /"),
    ("ML_ROOT_PATH", "/wine\n", "empty, or a path that begins with /"),
    ("ML_DOCS", "perhaps", "true or false"),
    ("ML_CPU_BUDGET", "-1", "cores up to 4096; 0 takes the container's quota"),
    ("ML_CPU_BUDGET", "all", "cores up to 4096; 0 takes the container's quota"),
    ("ML_CPU_BUDGET", "4097", "cores up to 4096; 0 takes the container's quota"),
    ("ML_CANARY_PERCENT", "-1", "percent of the requests, 0 to 100"),
    ("ML_CANARY_PERCENT", "101", "percent of the requests, 0 to 100"),
    ("PORT", "http", "a port, 0 to 65535"),
]


@pytest.mark.parametrize(("name", "text", "field", "value"), READ)
def test_a_variable_is_read_as_what_it_means(
    name: str, text: str, field: str, value: object
) -> None:
    settings = read_settings({name: text})
    assert getattr(settings, field) == value
    assert type(getattr(settings, field)) is type(value)
    assert value != getattr(Settings(), field)


def test_every_setting_is_read_here() -> None:
    assert [field for _, _, field, _ in READ] == list(Settings.__struct_fields__)


@pytest.mark.parametrize(("name", "text", "expected"), REFUSED)
def test_a_bad_value_is_refused_by_name(name: str, text: str, expected: str) -> None:
    with pytest.raises(SettingInvalid) as refusal:
        read_settings({name: text})
    assert str(refusal.value) == f"{name}: expected {expected}, received {text!r}"


def test_nothing_set_gives_the_defaults() -> None:
    settings = read_settings({"PATH": "/bin", "HOME": "/", "PORT": ""})
    assert msgspec.structs.asdict(settings) == {
        "model_uri": "models",
        "host": "127.0.0.1",
        "port": 8080,
        "log_level": "info",
        "max_body_bytes": 16_000_000,
        "max_rows": 100_000,
        "max_in_flight": 0,
        "max_queue": 32,
        "deadline_s": 30.0,
        "keep_alive_s": 75,
        "drain_s": 5.0,
        "api_keys": "",
        "api_keys_file": "",
        "root_path": "",
        "docs": True,
        "compiled_dir": "",
        "page": True,
        "cpu_budget": 0.0,
        "canary_uri": "",
        "canary_percent": 0.0,
        "shadow_uri": "",
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ML_PORT", "0"),
        ("ML_PORT", "65535"),
        ("ML_MAX_BODY_BYTES", "1"),
        ("ML_MAX_ROWS", "1"),
        ("ML_MAX_IN_FLIGHT", "0"),
        ("ML_MAX_QUEUE", "0"),
        ("ML_DEADLINE_S", "3600"),
        ("ML_DRAIN_S", "3600"),
        ("ML_CPU_BUDGET", "0"),
        ("ML_CANARY_PERCENT", "100"),
        ("ML_HOST", "h"),
        ("ML_MODEL_URI", "."),
        ("ML_MODEL_URI", "a b/Ä:/x"),
        ("ML_MODEL_URI", "s3://b"),
        ("ML_MODEL_URI", "az://b/with blanks/"),
        ("ML_SHADOW_URI", "gs://b"),
        ("ML_ROOT_PATH", "/v"),
    ],
)
def test_the_ends_of_a_range_belong_to_it(name: str, text: str) -> None:
    assert str(getattr(read_settings({name: text}), name[3:].lower())).startswith(text)


def test_a_log_level_is_read_in_any_case() -> None:
    assert read_settings({"ML_LOG_LEVEL": "WARNING"}).log_level == "warning"


def test_the_port_of_the_platform_is_honoured() -> None:
    assert read_settings({"PORT": "5000"}).port == 5000


def test_our_own_port_wins_over_that_of_the_platform() -> None:
    assert read_settings({"ML_PORT": "9000", "PORT": "5000"}).port == 9000
    assert read_settings({"PORT": "5000", "ML_PORT": "9000"}).port == 9000


@pytest.mark.parametrize("name", ["ML_PROT", "ML_port", "ML_", "ML_model_uri"])
def test_an_unknown_name_is_refused_with_those_that_exist(name: str) -> None:
    known = "one of ML_MODEL_URI, ML_HOST, ML_PORT, ML_LOG_LEVEL, ML_MAX_BODY_BYTES, "
    with pytest.raises(SettingInvalid, match=re.escape(f"{name}: expected {known}")):
        read_settings({name: "1"})


def test_settings_do_not_change_after_they_are_read() -> None:
    with pytest.raises(AttributeError):
        read_settings({}).port = 1  # type: ignore[misc]


def test_the_example_lists_every_setting_with_its_default(project: Path) -> None:
    text = (project / ".env.example").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and line[0] != "#"]
    listed = dict(line.split("=", 1) for line in lines)
    assert set(listed) == {
        f"ML_{field.upper()}" for field in Settings.__struct_fields__
    }
    assert read_settings(listed) == Settings()


def test_the_readme_explains_every_setting(project: Path) -> None:
    page = (project / "README.md").read_text(encoding="utf-8")
    fields = Settings.__struct_fields__
    assert [each for each in fields if f"`ML_{each.upper()}`" not in page] == []
