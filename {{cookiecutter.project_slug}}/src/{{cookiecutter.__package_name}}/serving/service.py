"""The model that is served, and its phase; request bytes in, a reply out."""

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

import numpy as np

from .. import MODEL_NAME
from ..artifacts.artifact import Artifact, Manifest
from ..errors import FieldInvalid, MediaUnsupported, NotReady, StoreUnreachable
from ..model import engine
from ..model.arrays import Floats
from ..model.predictor import Predictor, compilations, compiled_anew
from ..monitoring.live import Live, Predict
from ..settings import Settings
from .bodies import SMALL, Bodies, inflate
from .cpu import threads
from .decode import decode_v1, decode_v2
from .encode import encode_v1, encode_v2
from .failures import Reply
from .limits import TURN_S, Result, Workers, brief_body
from .rules import Rules
from .validate import validate

if TYPE_CHECKING:
    from prometheus_client import Metric

log = logging.getLogger(__name__)

Phase = Literal["starting", "failed to start", "ready", "draining"]
Headers = Mapping[bytes, bytes]
Steps = Callable[[bytes, Headers], Reply]

# Waits between tries while a store can't be reached: the first, and the longest.
RETRY_AFTER_S, RETRY_AT_MOST_S = 1.0, 30.0

# Bytes up to which a body may be answered in the event loop, in turn.
MEDIUM = 131_072

# The warm-up judges by one typical row. A model that takes this long for other rows, so
# many times in a row, would keep everybody waiting; a single time may be a hiccup.
LONG_S, LONG_IN_A_ROW = 0.02, 5

JSON_TYPES = {b"application/json", b"application/octet-stream"}


class Service:
    """Live from the first moment; ready once a model is loaded, verified and warm.

    Predictions are answered as soon as there is a model; ready comes a moment later,
    when the documented routes are there too.

    small, medium: bytes up to which a body is answered in the event loop, at once or
    in turn. The warm-up lowers them for a slow model, by measuring it.
    role: what the log calls its model.
    """

    def __init__(
        self, settings: Settings, load: Callable[[], Artifact], role: str = "model"
    ) -> None:
        self.settings = settings
        self.name = MODEL_NAME
        self.phase: Phase = "starting"
        self.draining = False
        self.manifest: Manifest | None = None
        self.predictor: Predictor | None = None
        self.predict: Predict
        self.live: Live | None = None
        self.rules = Rules(())
        self.outputs: tuple[str, ...] = ()
        self.version_header: list[tuple[bytes, bytes]] = []
        self.workers = Workers(
            # More threads than cores would share them, and all would end late.
            settings.max_in_flight or threads(settings.cpu_budget),
            settings.max_queue,
            settings.deadline_s,
        )
        self.bodies = Bodies(settings.max_body_bytes, self.workers.check_room)
        self.small = min(SMALL, settings.max_body_bytes)
        self.medium = min(MEDIUM, settings.max_body_bytes)
        self.load = load
        self.role = role
        self._long = 0  # how many answers in a row took long
        self._starting = False

    @property
    def at_once(self) -> int:
        """Bytes up to which a body may be given to `answer`."""
        return self.small

    @property
    def pools(self) -> list[Workers]:
        """All workers that compute for its requests."""
        return [self.workers]

    @property
    def stuck(self) -> bool:
        """Whether a thread is still busy with a prediction or the start."""
        return self.workers.taken > 0 or self._starting

    @property
    def loading(self) -> bool:
        return self.predictor is None and self.phase != "failed to start"

    @property
    def ready(self) -> bool:
        return self.phase == "ready"

    @property
    def version(self) -> str:
        return self.manifest.version if self.manifest else ""

    async def start(self) -> None:
        """Load and warm up in a thread, so that liveness probes are answered meanwhile.

        A failure is logged with its reason and leaves the service live but not ready:
        the platform keeps the old version, and there is no crash loop to debug. A store
        that can't be reached is tried again until it can.
        """
        began = time.perf_counter()
        try:
            artifact = await self._fetch()
            predictor = await self._beside(lambda: self._warm_up(artifact))
        except Exception:
            self.phase = "failed to start"
            log.exception("the %s can't be served", self.role)
            return
        self.outputs = predictor.outputs
        self.live = Live(artifact.manifest)
        self.rules = Rules(artifact.manifest.signature.features)
        self.predict = self.live.watched(predictor.predict)
        self.predictor, self.manifest = predictor, artifact.manifest
        self.version_header = [(b"x-model-version", self.version.encode())]
        log.info(
            "version %s is loaded and warm after %.2f s, %d %s",
            self.version,
            time.perf_counter() - began,
            compilations(),
            engine.COUNTED,
        )
        if self.settings.compiled_dir and (anew := compiled_anew()):
            log.warning(
                "%d %s had to be compiled, which slowed down the start; %s",
                anew,
                engine.COUNTED,
                engine.AHEAD,
            )

    def _warm_up(self, artifact: Artifact) -> Predictor:
        """Compile all that a request runs, then measure what is small, and medium."""
        predictor = artifact.predictor()
        predictor.warm_up()
        features = artifact.manifest.signature.features
        row = np.array([[feature.median for feature in features]])
        predict, limit = predictor.predict, self.small
        self.small = min(limit, brief_body(predict, row, limit))
        if self.small < limit:
            self.medium = self.small
            said = "the %s is slow: requests of more than %d bytes go to threads"
            log.info(said, self.role, self.small)
            return predictor

        def answer(X: Floats) -> bytes:  # with many rows, encoding takes longest
            with suppress(FloatingPointError):  # one row is no reason to fail the start
                return encode_v1(predict(X))
            return b""

        limit = self.medium
        self.medium = min(limit, brief_body(answer, row, limit, TURN_S))
        return predictor

    async def _beside(self, work: Callable[[], Result]) -> Result:
        """Run in a thread, which is abandoned if the service stops meanwhile."""

        def watched() -> Result:
            try:
                return work()
            finally:
                self._starting = False

        self._starting = True
        return await asyncio.to_thread(watched)

    async def _fetch(self) -> Artifact:
        wait_s = RETRY_AFTER_S
        while True:
            try:
                return await self._beside(self.load)
            except StoreUnreachable as error:
                said = "no %s yet, next try in %g s: %s"
                log.error(said, self.role, wait_s, error)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, RETRY_AT_MOST_S)

    def settle(self) -> None:
        """Turn ready, now that nothing is left that would slow down the first requests.

        Objects that exist now are kept for good. Each pass of the garbage collector
        over them would stop requests for 40 ms, so it is told to skip them.
        """
        gc.collect()
        gc.freeze()
        gc.set_threshold(10_000, 50, 100)
        if self.phase == "starting":
            self.phase = "ready"
            log.info("ready")

    def drain(self) -> None:
        """Turn not ready, so that balancers stop sending; still answer requests."""
        self.phase = "draining"
        self.draining = True

    async def respond(self, steps: Steps, body: bytes, headers: Headers) -> Reply:
        """Run the steps at once if they are quick, else in turn or in a thread."""
        if b"content-encoding" in headers or len(body) > self.medium:
            try:
                return await self.workers.run(steps, body, headers)
            except FieldInvalid as error:
                self.count_missing(error)
                raise
        if len(body) > self.small:
            return await self.workers.in_turn(self._here, steps, body, headers)
        return self._here(steps, body, headers)

    def answer(self, steps: Steps, body: bytes, headers: Headers) -> Reply:
        """What `respond` does with small, uncompressed bodies, but synchronously."""
        return self._here(steps, body, headers)

    def _here(self, steps: Steps, body: bytes, headers: Headers) -> Reply:
        """Run in the event loop; if answers keep taking long, stop doing so."""
        began = time.perf_counter()
        reply = None
        try:
            reply = steps(body, headers)
            return reply
        except FieldInvalid as error:
            self.count_missing(error)
            raise
        finally:
            if time.perf_counter() - began >= LONG_S:
                self._took_long()
            elif reply is not None:  # a refusal says nothing about the model
                self._long = 0

    def _took_long(self) -> None:
        self._long += 1
        if self._long == LONG_IN_A_ROW:
            self.small = self.medium = 0
            log.warning(
                "the %s's answers take longer than at the warm-up: all requests go to "
                "threads from now on",
                self.role,
            )

    def count_missing(self, error: FieldInvalid) -> None:
        if error.missing is not None and self.live is not None:
            self.live.lacks(error.missing)

    def close(self) -> None:
        self.workers.close()

    def collect(self) -> Iterator["Metric"]:
        """What `/metrics` shows about the models; telemetry.py adds the requests."""
        if self.live is not None:
            yield from self.live.collect()

    def predict_v1(self, body: bytes, headers: Headers) -> Reply:
        """decode → validate → predict → encode, in TensorFlow Serving's form."""
        predictor = self._ready_predictor()
        body = self._plain(body, headers)
        features, most = predictor.features, self.settings.max_rows
        try:
            query = decode_v1(body, features, most)
        except FieldInvalid as error:
            query = decode_v1(self._filled(body, error), features, most)
        validate(query, self.outputs, most)
        self.rules.check(query.X)
        return Reply(encode_v1(self.predict(query.X)), rows=len(query.X))

    def infer_v2(self, body: bytes, headers: Headers) -> Reply:
        """decode → validate → predict → encode, in the Open Inference Protocol."""
        predictor = self._ready_predictor()
        body = self._plain(body, headers)
        length = whole_number(headers.get(b"inference-header-content-length"))
        width, most = len(predictor.features), self.settings.max_rows
        try:
            query = decode_v2(body, width, most, length)
        except FieldInvalid as error:
            query = decode_v2(self._filled(body, error), width, most)
        validate(query, self.outputs, most)
        self.rules.check(query.X)
        return encode_v2(self.predict(query.X), query, self.name, self.version)

    def _ready_predictor(self) -> Predictor:
        if self.predictor is None:
            raise NotReady(self.phase)
        return self.predictor

    def _filled(self, body: bytes, error: FieldInvalid) -> bytes:
        """The body with missing values filled in as the contract says.

        Fails: `error` itself, when it is about something else or nothing can be filled.
        """
        if error.missing is None or not self.rules.fills or self.live is None:
            raise error
        body, filled = self.rules.fill(body)
        if not filled:
            raise error
        for name in filled:
            self.live.lacks(name)
        return body

    def _plain(self, body: bytes, headers: Headers) -> bytes:
        """The body, decompressed. Fails: MediaUnsupported, and as `inflate` does."""
        content_type = headers.get(b"content-type", b"application/json")
        if content_type not in JSON_TYPES:
            kind = content_type.partition(b";")[0].strip().lower()
            if kind not in JSON_TYPES:
                raise MediaUnsupported(
                    "content-type", "application/json", content_type.decode("latin-1")
                )
        if b"content-encoding" in headers:
            encoding = headers[b"content-encoding"].strip().lower()
            if encoding not in (b"", b"identity"):
                return inflate(body, encoding, self.settings.max_body_bytes)
        return body


def whole_number(text: bytes | None) -> int | None:
    if text is None:
        return None
    if not text.isdigit() or len(text) > 18:
        raise FieldInvalid(
            "Inference-Header-Content-Length",
            "a number of bytes",
            text.decode("latin-1"),
        )
    return int(text)
