"""One trained version as plain files: arrays in weights.npz, all else in manifest.json.

No pickle anywhere: arrays are read with `allow_pickle=False`, the manifest is JSON with
a schema, and both are checked against their digests before anything is used.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactCorrupt
from ..model.predictor import Predictor

SCHEMA = 1
MANIFEST = "manifest.json"
WEIGHTS = "weights.npz"

Arrays = Mapping[str, NDArray[Any]]


class Feature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input column and what the training data showed of it.

    lowest, highest, missing: the contract's, where it has any.
    """

    name: str
    unit: str
    minimum: float
    median: float
    maximum: float
    lowest: float | None = None
    highest: float | None = None
    missing: float | None = None


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What goes in and what comes out. `classes` is empty for a regression."""

    task: Literal["classification", "regression"]
    target: str
    features: tuple[Feature, ...]
    classes: tuple[str, ...]


class Evaluation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How well one predictor did on rows it had not learned from."""

    rows: int
    metrics: dict[str, float]
    per_class: dict[str, dict[str, float]] = {}
    confusion: list[list[int]] = []
    calibration: list[dict[str, float]] = []


class Provenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a version comes from, as far as the machine could tell."""

    data_source: str
    data_sha256: str
    train_rows: int
    split: dict[str, float | int | str]
    parameters: dict[str, bool | int | float | str | None]
    git_commit: str | None
    versions: dict[str, str]
    continued_from: str | None = None


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sha256: str
    size: int


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything about a version that is not an array."""

    name: str
    version: str
    created: datetime
    signature: Signature
    evaluation: Evaluation
    baseline: Evaluation
    gate_failures: list[str]
    provenance: Provenance
    files: dict[str, File]
    schema: int = SCHEMA


class Artifact(msgspec.Struct, frozen=True):
    """A manifest and the bytes of the files that it lists."""

    manifest: Manifest
    files: dict[str, bytes]

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        return unpack(self.files[WEIGHTS])

    def predictor(self) -> Predictor:
        signature = self.manifest.signature
        names = [feature.name for feature in signature.features]
        return Predictor(names, signature.classes, self.arrays)


def build(
    name: str,
    arrays: Arrays,
    signature: Signature,
    evaluation: Evaluation,
    baseline: Evaluation,
    gate_failures: list[str],
    provenance: Provenance,
) -> Artifact:
    """A new version, named by the time and by a digest of all that it holds."""
    weights = pack(arrays)
    created = datetime.now(UTC)
    manifest = Manifest(
        name=name,
        version="",
        created=created,
        signature=signature,
        evaluation=evaluation,
        baseline=baseline,
        gate_failures=gate_failures,
        provenance=provenance,
        files={WEIGHTS: File(sha256(weights), len(weights))},
    )
    manifest = msgspec.structs.replace(manifest, version=version_of(manifest))
    return Artifact(manifest, {WEIGHTS: weights})


def version_of(manifest: Manifest) -> str:
    """The manifest lists the digest of every file, so this name pins them all.

    To the microsecond, so that names sort in the order in which versions were made.
    """
    nameless = msgspec.structs.replace(manifest, version="")
    digest = sha256(msgspec.json.encode(nameless, order="deterministic"))
    return f"{manifest.created:%Y%m%dT%H%M%S.%fZ}-{digest[:12]}"


def read_manifest(place: object, content: bytes) -> Manifest:
    """Fails: ArtifactCorrupt when it is not the JSON that was written."""
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.MsgspecError as error:
        raise ArtifactCorrupt(
            place, f"a manifest of schema {SCHEMA}", f"one that says: {error}"
        ) from None
    if manifest.schema != SCHEMA:
        raise ArtifactCorrupt(place, f"schema {SCHEMA}", manifest.schema)
    if manifest.version != version_of(manifest):
        raise ArtifactCorrupt(place, version_of(manifest), manifest.version)
    return manifest


def check_file(place: object, expected: File, content: bytes) -> None:
    """Fails: ArtifactCorrupt when size or digest differ from the manifest's."""
    if len(content) != expected.size:
        raise ArtifactCorrupt(place, f"{expected.size} bytes", len(content))
    if sha256(content) != expected.sha256:
        raise ArtifactCorrupt(place, f"sha256 {expected.sha256}", sha256(content))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def pack(arrays: Arrays) -> bytes:
    """Fails: TypeError on an array that only pickle could store."""
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise TypeError(
                f"array {name!r}: expected numbers or fixed-length text, received "
                "Python objects; store them as arrays of numbers, as in to_arrays"
            )
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def unpack(content: bytes) -> dict[str, NDArray[Any]]:
    """Fails: ArtifactCorrupt on what only pickle could read, and on no archive."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ArtifactCorrupt(
            WEIGHTS, "an archive of arrays without Python objects", f"one: {error}"
        ) from None
