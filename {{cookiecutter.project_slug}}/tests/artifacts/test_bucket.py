"""Versions in an object store: what is told apart there, and what can't be reached."""

import threading
from datetime import timedelta

import pytest
from obstore.exceptions import (
    GenericError,
)
from obstore.store import (
    HTTPStore,
    MemoryStore,
)

from {{cookiecutter.__package_name}}.artifacts import (
    bucket as module,
)
from {{cookiecutter.__package_name}}.artifacts.bucket import (
    Bucket,
)
from {{cookiecutter.__package_name}}.artifacts.store import (
    Store,
    open_version,
)
from {{cookiecutter.__package_name}}.errors import (
    ArtifactError,
    StoreUnreachable,
)

URI = "s3://models/wine"
FILES = {"weights.npz": b"arrays", "manifest.json": b"{}"}


@pytest.fixture
def bucket() -> Bucket:
    return Bucket(URI, MemoryStore())


def test_a_version_is_there_once_its_manifest_is(bucket: Bucket) -> None:
    bucket._put("one/weights.npz", b"arrays", "create")
    assert bucket.versions() == []
    bucket.add("one", FILES)
    assert bucket.versions() == ["one"]
    assert bucket.read("one", "weights.npz") == b"arrays"


def test_the_same_version_is_added_once(bucket: Bucket) -> None:
    bucket.add("one", FILES)
    with pytest.raises(FileExistsError):
        bucket.add("one", FILES)


def test_other_files_under_the_same_name_are_refused(bucket: Bucket) -> None:
    bucket._put("one/weights.npz", b"others", "create")
    with pytest.raises(FileExistsError):
        bucket.add("one", FILES)
    assert (bucket.versions(), bucket.read("one", "weights.npz")) == ([], b"others")


def test_what_is_swept_while_it_is_taken_over_is_no_part_of_a_version(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket._put("one/weights.npz", b"arrays", "create")

    def swept(*_: str) -> bytes:
        raise FileNotFoundError

    monkeypatch.setattr(bucket, "read", swept)
    with pytest.raises(FileExistsError):
        bucket.add("one", FILES)
    assert bucket.versions() == []


def test_a_put_that_takes_too_long_does_not_become_a_version(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SLOWEST_PUT_S", -1.0)
    with pytest.raises(ArtifactError, match="expected to be written within -1 s"):
        bucket.add("one", FILES)
    assert bucket.versions() == []


def test_a_version_goes_manifest_first(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.add("one", FILES)
    bucket.add("two", FILES)
    gone = []
    monkeypatch.setattr(bucket, "_delete", gone.append)
    bucket.remove("one")
    assert gone == ["one/manifest.json", "one/weights.npz"]


def test_removing_what_is_gone_is_no_failure(bucket: Bucket) -> None:
    bucket._delete("one/manifest.json")
    bucket.sweep("one")
    assert bucket.versions() == []


def test_nobody_comes_between_reading_the_pointer_and_moving_it(
    bucket: Bucket,
) -> None:
    def count(content: bytes | None) -> bytes:
        return b"%d" % (int(content or b"0") + 1)

    def count_often() -> None:
        for _ in range(5):
            bucket.move_pointer(count)

    threads = [threading.Thread(target=count_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bucket.read_pointer() == b"20"


def test_a_pointer_that_others_move_all_the_time_is_given_up(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ATTEMPTS", 2)
    rival = iter((b"1", b"2", b"3"))

    def late(_: bytes | None) -> bytes:
        bucket._put("CURRENT", next(rival), "overwrite")
        return b"mine"

    with pytest.raises(StoreUnreachable) as refusal:
        bucket.move_pointer(late)
    assert str(refusal.value).startswith(
        f"{URI}/CURRENT: can't be reached: moved by others 2 times; check the address, "
        "the network and the environment ("
    )
    assert bucket.read_pointer() == b"2"


def test_an_address_where_nobody_answers_is_named_with_the_reason() -> None:
    nobody = HTTPStore.from_url(
        "http://127.0.0.1:9/models?sig=secret",
        client_options={"allow_http": True},
        retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=1)},
    )
    with pytest.raises(StoreUnreachable) as refusal:
        Bucket(URI, nobody).read("one", "weights.npz")
    message = str(refusal.value)
    assert message.startswith(f"{URI}/one/weights.npz: can't be reached: Generic HTTP ")
    assert "\n" not in message
    assert "secret" not in message


def test_a_reason_is_one_line_without_what_a_query_may_hold() -> None:
    error = GenericError("PUT https://a/b?sv=1&sig=secret failed\nDebug source: x")
    assert module._reason(error) == "PUT https://a/b failed"


def test_a_bucket_that_is_not_there_is_no_empty_store() -> None:
    refusal = pytest.raises(StoreUnreachable, match="there is no such bucket")
    with refusal, module._reaching(URI):
        raise FileNotFoundError("<Code>NoSuchBucket</Code>")
    with pytest.raises(FileNotFoundError), module._reaching(URI):
        raise FileNotFoundError("NoSuchKey")


@pytest.mark.parametrize(
    "uri", ["az://models/wine", "az://models/x/20260101T000000.123456Z-0123456789ab"]
)
def test_a_store_without_credentials_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    for name in ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(StoreUnreachable, match="Account must be specified"):
        open_version(uri, "wine")


def test_a_store_in_a_bucket_says_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "connect", lambda uri: MemoryStore())
    store = Store("gs://models/", "wine")
    assert store.folder == "gs://models/wine"
    assert store.place.at("a", "b") == "gs://models/wine/a/b"
    assert (store.versions(), store.serving()) == ([], None)


@pytest.mark.parametrize("endpoint", ["127.0.0.1:9", ""])
def test_an_endpoint_that_is_no_address_is_one_line(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """obstore panics then, which no `except Exception` would catch."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with pytest.raises(StoreUnreachable, match=r"\(AWS_ENDPOINT_URL, "):
        Bucket("s3://models/wine").versions()


def test_a_bucket_of_an_impossible_name_is_one_line() -> None:
    with pytest.raises(StoreUnreachable, match=r"^s3://mod els/x: can't be reached: "):
        Bucket("s3://mod els/x")


def test_of_a_refusal_the_code_is_told_and_not_the_document() -> None:
    refused = (
        'Client error with status 403 Forbidden: <?xml version="1.0"?>\n'
        "<Error><Code>InvalidAccessKeyId</Code><Resource>/a?sig=secret</Resource>"
    )
    assert module._reason(ValueError(refused)) == (
        "Client error with status 403 Forbidden InvalidAccessKeyId"
    )
