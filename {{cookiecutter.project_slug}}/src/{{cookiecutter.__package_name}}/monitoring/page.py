"""The text of `/metrics` in, what each version did on real requests out."""

import math
import re
from collections import defaultdict
from dataclasses import dataclass, field

from ..errors import ProjectError
from .verdict import Measured, shares, wilson

# Only predictions depend on the version: probes, scrapes and pages do not.
PREDICTIONS = re.compile(r"(:predict|/infer)$")
SLOW = 0.9  # slow means as slow as the slowest tenth of A's requests


@dataclass
class Side:
    """Requests for predictions that one version answered."""

    requests: float = 0.0
    failed: float = 0.0
    buckets: dict[float, float] = field(default_factory=lambda: defaultdict(float))
    """Successful requests by the upper bound of their seconds, cumulative."""


@dataclass
class Copies:
    """How a shadow's answers compared with those of the version in service."""

    compared: float = 0.0
    dropped: float = 0.0
    failed: float = 0.0
    rows: float = 0.0
    labelled: float = 0.0
    agreeing: float = 0.0
    difference: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def agreement(self) -> tuple[float, float, float] | None:
        """Share of rows with the same label, and its interval; None for numbers."""
        if not self.labelled:
            return None
        low, high = wilson(self.agreeing, self.labelled)
        return self.agreeing / self.labelled, low, high


@dataclass
class Page:
    """serving: the version in service.  sides, shadow: by version."""

    serving: str = ""
    sides: dict[str, Side] = field(default_factory=lambda: defaultdict(Side))
    shadow: dict[str, Copies] = field(default_factory=lambda: defaultdict(Copies))

    def other(self) -> str:
        """The version tried beside the one in service; a canary before a shadow."""
        found = {name: side.requests for name, side in self.sides.items()}
        found.pop(self.serving, None)
        names = [name for name in found if name] or list(self.shadow)
        if not names:
            raise ProjectError(
                "metrics: expected two versions, received one; set ML_CANARY_URI or "
                "ML_SHADOW_URI, and wait for requests"
            )
        return max(names, key=lambda name: found.get(name, 0.0))


def read_page(text: str) -> Page:
    """Fails: ProjectError when the text isn't the metrics of such a service."""
    from prometheus_client.parser import text_string_to_metric_families

    page = Page()
    try:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                add(page, sample.name, sample.labels, sample.value)
    except (ValueError, KeyError) as error:
        raise ProjectError(f"metrics: expected a page of Prometheus: {error}") from None
    if not page.serving:
        raise ProjectError("metrics: expected model_info, which names the version")
    return page


def add(page: Page, name: str, labels: dict[str, str], value: float) -> None:
    version = labels.get("version", "")
    if name == "model_info":
        page.serving = version
    elif name.startswith("http_request") and PREDICTIONS.search(labels["route"]):
        side = page.sides[version]
        if name == "http_requests_total":
            side.requests += value
            side.failed += value * labels["code"].startswith("5")
        elif name == "http_request_seconds_bucket" and labels["code"] == "200":
            side.buckets[float(labels["le"])] += value
    elif name.startswith("shadow_"):
        copies = page.shadow[version]
        if name == "shadow_requests_total":
            setattr(copies, labels["result"], value)
        elif name == "shadow_answers_total":
            copies.labelled += value
            copies.agreeing += value * (labels["serving"] == labels["shadow"])
        elif name == "shadow_difference_sum":
            copies.difference = value
        elif name == "shadow_difference_count":
            copies.rows = value
        elif name == "shadow_predict_seconds_total":
            copies.seconds[labels["role"]] = value


def measured(a: Side, b: Side, margin: float) -> list[Measured]:
    """Shares of failures and of slow answers, for which no labels are needed."""
    found = [
        shares("failures", a.failed, a.requests, b.failed, b.requests, margin),
    ]
    total_a, total_b = (side.buckets.get(math.inf, 0.0) for side in (a, b))
    bounds = [
        bound for bound, count in sorted(a.buckets.items()) if count >= SLOW * total_a
    ]
    if total_a and bounds and bounds[0] < math.inf:
        bound = bounds[0]
        slow_a, slow_b = total_a - a.buckets[bound], total_b - b.buckets.get(bound, 0.0)
        name = f"slower than {1000 * bound:g} ms"
        found.append(shares(name, slow_a, total_a, slow_b, total_b, margin))
    return found
