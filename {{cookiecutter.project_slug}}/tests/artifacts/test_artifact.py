"""A version as plain files: what was packed comes back, what was changed does not."""

from datetime import datetime

import msgspec
import pytest
from known import (
    WEIGHTS,
)

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
    File,
    Learned,
    build,
    check_file,
    read_manifest,
    sha256,
    version_of,
)
from {{cookiecutter.__package_name}}.errors import (
    ArtifactCorrupt,
)
from {{cookiecutter.__package_name}}.model.arrays import (
    to_files,
)


def written(artifact: Artifact, **changes: object) -> bytes:
    """The manifest as the store writes it, but with some fields changed."""
    fields = msgspec.to_builtins(artifact.manifest) | changes
    return msgspec.json.encode(fields)


def test_a_version_is_named_by_its_time_and_its_content(artifact: Artifact) -> None:
    manifest = artifact.manifest
    time, _, digest = manifest.version.partition("-")
    assert datetime.strptime(time, "%Y%m%dT%H%M%S.%f%z") == manifest.created
    assert len(digest) == 12
    other = build(
        manifest.name,
        to_files({"weights": WEIGHTS}),
        manifest.signature,
        manifest.evaluation,
        manifest.baseline,
        manifest.gate_failures,
        manifest.provenance,
    )
    same_time = msgspec.structs.replace(other.manifest, created=manifest.created)
    assert version_of(same_time).partition("-")[0] == time
    assert version_of(same_time) != manifest.version


def test_a_manifest_comes_back_as_it_was(artifact: Artifact) -> None:
    assert read_manifest("here", written(artifact)) == artifact.manifest


def test_a_version_from_before_there_was_a_reference_still_loads(
    artifact: Artifact,
) -> None:
    """Its name is a digest of what it held then, so nothing may be added to it."""
    created = artifact.manifest.created.replace(microsecond=0)
    nameless = msgspec.structs.replace(artifact.manifest, version="", created=created)
    content = msgspec.json.encode(nameless, order="deterministic")
    content = content.partition(b',"reference":')[0] + b"}"
    version = f"{artifact.manifest.created:%Y%m%dT%H%M%SZ}-{sha256(content)[:12]}"
    content = content.replace(b'"version":""', f'"version":"{version}"'.encode())
    assert not read_manifest("here", content).reference


def test_what_was_learned_before_is_kept_and_may_be_absent(artifact: Artifact) -> None:
    """Absent in a first version, and in one that is older than the list."""
    assert b'"earlier"' not in written(artifact)
    made = artifact.manifest.provenance
    assert made.learned == (Learned(made.data_sha256, made.split),)
    for earlier in (msgspec.UNSET, (Learned("abc", {"method": "by row"}),)):
        other = msgspec.structs.replace(made, continued_from="v1", earlier=earlier)
        manifest = msgspec.structs.replace(artifact.manifest, provenance=other)
        manifest = msgspec.structs.replace(manifest, version=version_of(manifest))
        read = read_manifest("here", msgspec.json.encode(manifest))
        assert read.provenance.learned == (*made.learned, *(earlier or ()))


def test_an_edited_manifest_is_refused(artifact: Artifact) -> None:
    evaluation = msgspec.to_builtins(artifact.manifest.evaluation)
    evaluation["metrics"]["accuracy"] = 2.0
    content = written(artifact, evaluation=evaluation)
    with pytest.raises(ArtifactCorrupt) as refusal:
        read_manifest("manifest.json", content)
    message = str(refusal.value)
    assert message.startswith(f"manifest.json: expected {artifact.manifest.created:%Y}")
    assert message.endswith(f", received {artifact.manifest.version}")


def test_a_manifest_of_another_schema_is_refused(artifact: Artifact) -> None:
    with pytest.raises(ArtifactCorrupt) as refusal:
        read_manifest("manifest.json", written(artifact, schema=2))
    assert str(refusal.value) == "manifest.json: expected schema 1, received 2"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"extra": 1}, "Object contains unknown field `extra`"),
        ({"files": {"weights.npz": "abc"}}, "Expected `object`, got `str` - at `$.fi"),
        ({"created": "today"}, "Invalid RFC3339 encoded datetime - at `$.created`"),
    ],
)
def test_a_manifest_of_another_form_is_refused(
    artifact: Artifact, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ArtifactCorrupt) as refusal:
        read_manifest("manifest.json", written(artifact, **changes))
    assert str(refusal.value).startswith(
        "manifest.json: expected a manifest of schema 1, received one that says: "
        + message
    )


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]"])
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(ArtifactCorrupt, match="expected a manifest of schema 1"):
        read_manifest("manifest.json", content)


def test_a_file_is_held_against_its_size_and_digest() -> None:
    expected = File(sha256(b"wine"), 4)
    check_file("a", expected, b"wine")
    with pytest.raises(ArtifactCorrupt) as refusal:
        check_file("a", expected, b"win")
    assert str(refusal.value) == "a: expected 4 bytes, received 3"
    with pytest.raises(ArtifactCorrupt) as refusal:
        check_file("a", expected, b"vine")
    assert str(refusal.value) == (
        f"a: expected sha256 {sha256(b'wine')}, received {sha256(b'vine')}"
    )


def test_the_digest_is_sha256() -> None:
    assert sha256(b"abc") == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )
