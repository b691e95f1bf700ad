"""A second version beside the one in service: a canary answers a share, a shadow none.

Neither may hurt the service. One that can't be loaded, or has other features or
classes, is left out: the log and `trial_ready` say so, and the service is ready without
it.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING

from ..artifacts.artifact import Artifact, Manifest
from ..errors import ProjectError, SettingInvalid
from ..settings import Settings
from .failures import FailedBy, Reply, refuse
from .limits import Workers
from .service import Headers, Service, Steps
from .shadow import Shadow

if TYPE_CHECKING:
    from prometheus_client import Metric

log = logging.getLogger(__name__)

# Headers that a request is assigned by: the first that it has; without any, at random.
KEYS = (b"x-canary-key", b"x-request-id")
KEY_BYTES = 8

# How long a start waits for candidates, so that the share is right from the first.
PATIENCE_S = 5.0


def new_service(settings: Settings, load: Callable[[str], Artifact]) -> Service:
    """The service of `settings`, a Trial if they name one. load: URI to Artifact.

    Fails: SettingInvalid on a share without a canary to give it to.
    """
    if settings.canary_percent and not settings.canary_uri:
        expected = "ML_CANARY_URI beside it"
        raise SettingInvalid("ML_CANARY_PERCENT", expected, settings.canary_percent)
    if not settings.canary_uri and not settings.shadow_uri:
        return Service(settings, partial(load, settings.model_uri))
    return Trial(settings, load)


class Trial(Service):
    """A service that gives some requests to a canary, or copies to a shadow."""

    def __init__(self, settings: Settings, load: Callable[[str], Artifact]) -> None:
        super().__init__(settings, partial(load, settings.model_uri))
        self.candidates = {
            role: Service(settings, partial(load, uri), role)
            for role, uri in (
                ("canary", settings.canary_uri),
                ("shadow", settings.shadow_uri),
            )
            if uri
        }
        self.canary: Service | None = None
        self.shadow: Shadow | None = None
        self._starts: list[asyncio.Task[None]] = []
        self._below = int(settings.canary_percent / 100 * 256**KEY_BYTES)
        self._salt = b""

    async def start(self) -> None:
        """Wait for candidates PATIENCE_S at most; then the service goes on without.

        One that is slow, or whose store is slow or unreachable, joins when it can.
        """
        await super().start()
        if self.manifest is None:
            return
        self._starts = [
            asyncio.create_task(self._try(role, candidate, self.manifest), name=role)
            for role, candidate in self.candidates.items()
        ]
        _, late = await asyncio.wait(self._starts, timeout=PATIENCE_S)
        for start in late:
            log.warning("served without the %s until it has started", start.get_name())

    async def _try(self, role: str, candidate: Service, serving: Manifest) -> None:
        await candidate.start()
        reason = reason_against(candidate.manifest, serving)
        if reason:
            log.error("served without the %s: %s", role, reason)
            return
        log.info("version %s is tried as the %s", candidate.version, role)
        if role == "shadow":
            self._begin_shadow(candidate)
        else:
            self._salt = candidate.version.encode()[:64]
            self.canary = candidate

    def _begin_shadow(self, candidate: Service) -> None:
        assert self.predictor is not None  # noqa: S101  for mypy
        self.shadow = Shadow(self.predictor, candidate)
        self.predict = self.shadow.beside(self.predict)
        self.shadow.start()

    @property
    def at_once(self) -> int:
        """The smaller of the two limits, since either version may have to answer."""
        return min(self.small, self.canary.small) if self.canary else self.small

    @property
    def pools(self) -> list[Workers]:
        return [self.workers, *(each.workers for each in self.candidates.values())]

    @property
    def stuck(self) -> bool:
        return super().stuck or any(each.stuck for each in self.candidates.values())

    async def respond(self, steps: Steps, body: bytes, headers: Headers) -> Reply:
        """As Service does, with the slots of the version that the request goes to."""
        service, steps = self._assign(steps, headers)
        try:
            reply = await Service.respond(service, steps, body, headers)
        except Exception as error:  # noqa: BLE001  failure raises it again
            reply = failure(service, error)
        reply.version = service.version
        return reply

    def answer(self, steps: Steps, body: bytes, headers: Headers) -> Reply:
        service, steps = self._assign(steps, headers)
        try:
            reply = Service.answer(service, steps, body, headers)
        except Exception as error:  # noqa: BLE001  failure raises it again
            reply = failure(service, error)
        reply.version = service.version
        return reply

    def _assign(self, steps: Steps, headers: Headers) -> tuple[Service, Steps]:
        """Who answers, and how. steps: this service's; the canary has the same ones."""
        if self.canary is not None and self.goes_to_canary(headers):
            return self.canary, getattr(self.canary, steps.__name__)
        return self, steps

    def goes_to_canary(self, headers: Headers) -> bool:
        """One key gets one version, in every process, while the canary is the same.

        With a larger share, keys that had the canary keep it; another canary gets other
        keys. Without a key, the choice is random.
        """
        key = next((headers[name] for name in KEYS if name in headers), None)
        drawn = os.urandom(KEY_BYTES)
        if key is not None:
            drawn = blake2b(key, digest_size=KEY_BYTES, key=self._salt).digest()
        return int.from_bytes(drawn) < self._below

    def close(self) -> None:
        super().close()
        for start in self._starts:
            start.cancel()
        for candidate in self.candidates.values():
            candidate.close()
        if self.shadow is not None:
            self.shadow.stop()

    def collect(self) -> Iterator["Metric"]:
        from prometheus_client.core import GaugeMetricFamily

        yield from super().collect()
        tried = {"canary": self.canary, "shadow": self.shadow}
        ready = GaugeMetricFamily(
            "trial_ready",
            "1 when a canary or shadow is tried, 0 when it is left out.",
            labels=["role", "version"],
        )
        for role, candidate in self.candidates.items():
            ready.add_metric([role, candidate.version], int(tried[role] is not None))
        yield ready
        if self.shadow is not None:
            yield from self.shadow.collect()


def failure(service: Service, error: Exception) -> Reply:
    """A refusal, which names a version too. Fails: FailedBy on a fault of our own."""
    if isinstance(error, ProjectError):
        return refuse(error)
    raise FailedBy(service.version, error)


def reason_against(candidate: Manifest | None, serving: Manifest) -> str:
    """Why a version can't stand in for the one in service; empty when it can."""
    if candidate is None:
        return "it could not be loaded, see above"
    if candidate.version == serving.version:
        return f"{candidate.version} is the version in service"
    ours, theirs = serving.signature, candidate.signature
    for part, expected, received in (
        ("features", names(serving), names(candidate)),
        ("classes", list(ours.classes), list(theirs.classes)),
    ):
        if expected != received:
            return f"{part}: expected {expected}, received {received}"
    return ""


def names(manifest: Manifest) -> list[str]:
    return [feature.name for feature in manifest.signature.features]
