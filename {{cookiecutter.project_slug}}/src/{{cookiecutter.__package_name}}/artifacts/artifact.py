"""One trained version as plain files: what the engine made, and manifest.json.

No pickle anywhere: the manifest is JSON with a schema, arrays are read with
`allow_pickle=False`, and every file is checked against its digest before it is used.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from numpy.typing import NDArray

from ..errors import ArtifactCorrupt
from ..model.arrays import WEIGHTS, Files, need, to_state, unpack
from ..model.predictor import Predictor
from .reference import Reference

SCHEMA = 1
MANIFEST = "manifest.json"
# Cells of a table that hold no value, in lower case: upper and mixed case count too.
MISSING = {"", "na", "n/a", "nan", "null", "none", "?"}

Split = dict[str, float | int | str]


class Feature(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True
):
    """One input column: its name and unit, and its range in the training data.

    lowest, highest, missing: the contract's limits and fill value, where it has any.
    """

    name: str
    unit: str
    minimum: float
    median: float
    maximum: float
    lowest: float | None = None
    highest: float | None = None
    missing: float | None = None


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A held-out row, in the order of the features, and its true target."""

    values: tuple[float, ...]
    target: str | float


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What goes in and what comes out. `classes` is empty for a regression.

    target_range: for a regression, the lowest and highest target learned from.
    examples: at most as many as the contract says; real rows, shown to callers.
    """

    task: Literal["classification", "regression"]
    target: str
    features: tuple[Feature, ...]
    classes: tuple[str, ...]
    target_range: tuple[float, float] | None = None
    examples: tuple[Example, ...] = ()


class Evaluation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How well one predictor did on rows it had not learned from."""

    rows: int
    metrics: dict[str, float]
    per_class: dict[str, dict[str, float]] = {}
    confusion: list[list[int]] = []
    calibration: list[dict[str, float]] = []


class Learned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that was learned from, and how rows of it were held out."""

    data_sha256: str
    split: Split


class Provenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a version comes from, as far as the machine could tell.

    earlier: files that the versions it was updated from learned from, latest first.
    """

    data_source: str
    data_sha256: str
    train_rows: int
    split: Split
    parameters: dict[str, bool | int | float | str | None]
    git_commit: str | None
    versions: dict[str, str]
    continued_from: str | None = None
    # Unset without a version before, and in versions older than this field.
    earlier: tuple[Learned, ...] | msgspec.UnsetType = msgspec.UNSET

    @property
    def learned(self) -> tuple[Learned, ...]:
        """All files that the version learned from, latest first."""
        return (Learned(self.data_sha256, self.split), *(self.earlier or ()))


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row and its outputs, flat, as they were when the version was made.

    Ask any running service for this row to see whether it answers right. It is a row of
    medians, so it exposes nobody's data.
    """

    row: list[float]
    outputs: dict[str, list[float | str]]


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
    expected: Expected | None = None
    schema: int = SCHEMA
    # Unset in versions older than this field: their digest must not change.
    reference: Reference | msgspec.UnsetType = msgspec.UNSET


class Artifact(msgspec.Struct, frozen=True):
    """A manifest and the bytes of the files that it lists."""

    manifest: Manifest
    files: dict[str, bytes]

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        return unpack(need(self.files, WEIGHTS))

    @property
    def state(self) -> dict[str, Any]:
        """The whole stored state of the model, by name."""
        return to_state(self.files)

    def predictor(self) -> Predictor:
        signature = self.manifest.signature
        names = [feature.name for feature in signature.features]
        return Predictor(names, signature.classes, self.files)


def build(
    name: str,
    files: Files,
    signature: Signature,
    evaluation: Evaluation,
    baseline: Evaluation,
    gate_failures: list[str],
    provenance: Provenance,
    expected: Expected | None = None,
    reference: Reference | msgspec.UnsetType = msgspec.UNSET,
) -> Artifact:
    """A new version, named by the time and by a digest of all that it holds."""
    now = datetime.now(UTC)
    created = now.replace(microsecond=max(now.microsecond, 1))
    manifest = Manifest(
        name=name,
        version="",
        created=created,
        signature=signature,
        evaluation=evaluation,
        baseline=baseline,
        gate_failures=gate_failures,
        provenance=provenance,
        files={
            file: File(sha256(content), len(content)) for file, content in files.items()
        },
        expected=expected,
        reference=reference,
    )
    manifest = msgspec.structs.replace(manifest, version=version_of(manifest))
    return Artifact(manifest, dict(files))


def version_of(manifest: Manifest) -> str:
    """The name: time and digest of the manifest, which lists every file's digest.

    To the microsecond, so that names sort in the order in which versions were made;
    the earliest versions were named to the second.
    """
    nameless = msgspec.structs.replace(manifest, version="")
    digest = sha256(msgspec.json.encode(nameless, order="deterministic"))
    form = "%Y%m%dT%H%M%S.%fZ" if manifest.created.microsecond else "%Y%m%dT%H%M%SZ"
    return f"{manifest.created:{form}}-{digest[:12]}"


def read_manifest(place: object, content: bytes) -> Manifest:
    """Fails: ArtifactCorrupt when content is not the manifest that was written."""
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
