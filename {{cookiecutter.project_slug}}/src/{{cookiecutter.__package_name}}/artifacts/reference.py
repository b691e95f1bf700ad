"""What a version's data looked like: a histogram of each feature and of the answers.

It is part of the manifest; live traffic and later files are compared with it.
"""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from ..model.arrays import Floats

BINS = 10

Counts = NDArray[np.int64]


class Histogram(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows by bin. `edges` are the k-1 inner boundaries, so the outer bins are open.

    A bin holds values above the edge before it, up to and including the edge after it.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]


class Reference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """features: histograms of the rows learned from, in the order of the signature.

    answers: histogram for the held-out rows. For a classification `edges` is empty and
    there is a count for each class, in the order of the signature.
    """

    features: tuple[Histogram, ...]
    answers: Histogram


def edges_of(values: Floats) -> tuple[float, ...]:
    """Boundaries that split `values` (n,) into BINS parts, or fewer if they repeat.

    Bins hold equal shares rather than have equal widths, so that none is nearly empty,
    which would make the stability index useless.
    """
    inner = np.quantile(values, np.arange(1, BINS) / BINS, method="inverted_cdf")
    edges = np.unique(inner)
    return tuple(float(edge) for edge in edges if edge < values.max())


def count(values: Floats, edges: tuple[float, ...]) -> Counts:
    """How many of `values` (n,) fall into each bin; NaN is left out."""
    known = values[~np.isnan(values)]
    found = np.searchsorted(edges, known)
    return np.bincount(found, minlength=len(edges) + 1)


def histogram(values: Floats) -> Histogram:
    edges = edges_of(values)
    return Histogram(edges, tuple(count(values, edges).tolist()))


def answers_of(outputs: dict[str, NDArray[Any]], classes: int) -> Histogram:
    """Histogram of a predictor's outputs, for rows that it has not seen."""
    if not classes:
        return histogram(outputs["value"])
    best = outputs["probabilities"].argmax(axis=1)
    return Histogram((), tuple(np.bincount(best, minlength=classes).tolist()))
