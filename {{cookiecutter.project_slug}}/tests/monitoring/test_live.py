"""What a service shows of the rows that it was asked: counted, bounded, sampled."""

import msgspec
import numpy as np
import pytest
from known import (
    CLASSES,
    FEATURES,
    ROWS,
    known,
)
from prometheus_client import (
    CollectorRegistry,
    generate_latest,
)
from prometheus_client.parser import (
    text_string_to_metric_families,
)

from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
    Signature,
)
from {{cookiecutter.__package_name}}.artifacts.reference import (
    Reference,
    histogram,
)
from {{cookiecutter.__package_name}}.model.arrays import (
    Floats,
)
from {{cookiecutter.__package_name}}.monitoring import (
    live,
)
from {{cookiecutter.__package_name}}.monitoring.live import (
    Live,
    Predict,
)
from {{cookiecutter.__package_name}}.monitoring.statistics import (
    stability_by_chance,
)

Shown = dict[tuple[str, ...], float]
LENGTH, WIDTH = (feature.name for feature in FEATURES)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    """A model with classes, whatever the project's own is."""
    return known()


@pytest.fixture
def watch(artifact: Artifact, clock: Clock) -> Live:
    return Live(artifact.manifest, clock)


@pytest.fixture
def predict(watch: Live, artifact: Artifact) -> Predict:
    return watch.watched(artifact.predictor().predict)


def ask_for_each(X: Floats, watch: Live, predict: Predict) -> None:
    """One request after the other, with time to count it before the next."""
    for row in X:
        predict(row[None, :])
        watch.fold()


def shown(watch: Live) -> Shown:
    """What Prometheus reads: name and labels → value."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(watch)
    page = generate_latest(registry).decode()
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): (
            sample.value
        )
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def test_rows_like_those_of_training_are_no_drift(
    watch: Live, predict: Predict, artifact: Artifact
) -> None:
    ask_for_each(ROWS, watch, predict)
    seen = shown(watch)
    assert seen["watched_rows_total",] == len(ROWS)
    for name in watch.names:
        index = seen["drift_psi", "feature", name]
        assert index < 0.1
        assert index < seen["drift_psi_by_chance", "feature", name]
    assert seen["drift_psi", "answer", ""] < 0.1
    labels = artifact.predictor().predict(ROWS)["label"].tolist()
    for name in CLASSES:
        assert seen["predictions_total", name] == labels.count(name) > 0


def test_one_alarm_in_a_thousand_windows_is_false_whatever_is_watched(
    watch: Live, predict: Predict, artifact: Artifact
) -> None:
    ask_for_each(ROWS, watch, predict)
    seen = shown(watch)
    reference = artifact.manifest.reference
    for name, learned in zip(watch.names, reference.features, strict=True):
        bins = len(learned.counts)
        expected = stability_by_chance(len(ROWS), len(ROWS), bins, 0.001 / 3)
        found = seen["drift_psi_by_chance", "feature", name]
        assert found == pytest.approx(expected), "two features and the answers"


def test_a_feature_that_moved_is_named_and_no_other(
    watch: Live, predict: Predict
) -> None:
    ask_for_each(ROWS + np.array([0.0, 4.0]), watch, predict)
    seen = shown(watch)
    drifted = [
        name
        for name in watch.names
        if seen["drift_psi", "feature", name]
        > max(0.2, seen["drift_psi_by_chance", "feature", name])
    ]
    assert drifted == [WIDTH]
    assert seen["feature_out_of_range_total", WIDTH] > 20
    assert seen["feature_out_of_range_total", LENGTH] == 0


def test_a_feature_that_was_one_value_has_no_index_but_is_out_of_range(
    artifact: Artifact,
) -> None:
    """An infinite limit would hide those of the other features on the dashboard."""
    manifest = artifact.manifest
    length, width = manifest.signature.features
    constant = msgspec.structs.replace(length, minimum=13.0, maximum=13.0)
    features = (constant, width)
    reference = manifest.reference
    known = (histogram(np.full(60, 13.0)), reference.features[1])
    watch = Live(
        msgspec.structs.replace(
            manifest,
            signature=msgspec.structs.replace(manifest.signature, features=features),
            reference=Reference(known, reference.answers),
        )
    )
    predict = watch.watched(artifact.predictor().predict)
    ask_for_each(np.column_stack([np.full(60, 50.0), ROWS[:, 1]]), watch, predict)
    seen = shown(watch)
    assert seen["feature_out_of_range_total", LENGTH] == 60
    drift = {key: value for key, value in seen.items() if key[0].startswith("drift")}
    assert {key[-1] for key in drift} == {WIDTH, ""}
    assert np.isfinite(list(drift.values())).all()


def test_missing_values_are_counted_by_feature(watch: Live, predict: Predict) -> None:
    assert shown(watch)["feature_missing_total", LENGTH] == 0
    watch.lacks(LENGTH)
    watch.lacks(2 + 0)  # in the second row of a flat tensor
    predict(np.array([[1.0, np.nan]]))
    seen = shown(watch)
    assert seen["feature_missing_total", LENGTH] == 2
    assert seen["feature_missing_total", WIDTH] == 1


def test_of_a_large_request_some_rows_are_kept_and_nothing_else(
    watch: Live, predict: Predict
) -> None:
    X = np.arange(2.0) + np.arange(10_000.0)[:, None]
    predict(X)
    kept = watch._asked[0]
    assert len(kept) <= live.ROWS_KEPT
    assert kept.base is None, "a view would keep the whole request in memory"
    assert kept[0, 0] == 0
    assert kept[-1, 0] > 9_500, "from the beginning to the end"
    assert len(watch._answered[0]) == len(kept)


def test_what_waits_is_bounded_and_the_sample_says_its_size(
    watch: Live, predict: Predict
) -> None:
    for _ in range(live.ROOM + 100):
        predict(np.ones((1, 2)))
    assert shown(watch)["watched_rows_total",] == live.ROOM
    assert shown(watch)["watched_rows_total",] == live.ROOM, "counted once"


def test_there_is_less_room_where_rows_are_wide(artifact: Artifact) -> None:
    manifest = artifact.manifest
    feature = manifest.signature.features[0]
    wide = msgspec.structs.replace(
        manifest,
        signature=msgspec.structs.replace(
            manifest.signature, features=(feature,) * 1000
        ),
        reference=msgspec.UNSET,
    )
    assert Live(wide)._asked.maxlen == 16


def test_what_was_long_ago_leaves_the_index(
    watch: Live, predict: Predict, clock: Clock
) -> None:
    """Two windows of other rows, then two of rows as in training."""
    psi = ("drift_psi", "feature", LENGTH)
    times = live.WINDOW_ROWS // len(ROWS) + 1
    for step, rows in enumerate([ROWS + 5.0, ROWS + 5.0, ROWS, ROWS]):
        clock.now = step * live.WINDOW_S
        for _ in range(times):
            ask_for_each(rows, watch, predict)
        if step == 1:
            assert shown(watch)[psi] > 1.0
    clock.now = 4 * live.WINDOW_S
    assert shown(watch)[psi] < 0.1
    assert shown(watch)["watched_rows_total",] == 4 * times * len(ROWS)


def test_a_window_waits_until_it_holds_enough_rows(
    watch: Live, predict: Predict, clock: Clock
) -> None:
    predict(ROWS[:50].copy())
    watch.fold()
    clock.now = 10 * live.WINDOW_S
    watch.fold()
    assert watch.features[0].current.sum() == 50


def test_without_a_reference_there_are_counts_but_no_index(
    artifact: Artifact,
) -> None:
    bare = msgspec.structs.replace(artifact.manifest, reference=msgspec.UNSET)
    watch = Live(bare)
    watch.watched(artifact.predictor().predict)(ROWS[:5].copy())
    seen = shown(watch)
    assert seen["watched_rows_total",] == 5
    assert sum(seen["predictions_total", name] for name in CLASSES) == 5
    assert not [key for key in seen if key[0].startswith("drift")]


def test_numbers_are_counted_by_bin(artifact: Artifact) -> None:
    values = np.arange(100.0)
    signature = artifact.manifest.signature
    manifest = msgspec.structs.replace(
        artifact.manifest,
        signature=Signature("regression", "y", signature.features[:1], ()),
        reference=Reference((histogram(values),), histogram(values)),
    )
    watch = Live(manifest)
    predict = watch.watched(lambda X: {"value": X[:, 0]})
    ask_for_each(values[:, None], watch, predict)
    seen = shown(watch)
    assert seen["predictions_total", "..9"] == 10
    assert seen["predictions_total", "89.."] == 10
    assert seen["drift_psi", "answer", ""] == 0.0
