"""Counts, latencies and log lines of every request, cheap enough to be always on.

Counts are plain numbers that a Prometheus collector reads at each scrape. A request
only leaves a note; notes are turned into counts and access log lines in batches, off
the path of the requests.
"""

import asyncio
import json
import logging
import sys
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, TextIO

from ..errors import shortened
from ..model.predictor import compilations
from .failures import Reply
from .service import Service

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Metric

# Upper bounds in seconds; a request slower than the last is counted beyond.
BUCKETS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
    0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
FLUSH_S = 0.01  # longer would mean more lines at once, for which all else waits


# Start and end; method; (route, status, version); rows; id; trace.
Note = tuple[float, float, str, tuple[str, int, str], int, str, str]


class Series:
    """The requests of one route with one status, answered by one version."""

    def __init__(self) -> None:
        self.count = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(BUCKETS) + 1)


class Telemetry:
    """What `/metrics` shows and what the access log says."""

    def __init__(self, service: Service, out: TextIO = sys.stdout) -> None:
        self.service = service
        self.series: defaultdict[tuple[str, int, str], Series] = defaultdict(Series)
        self.rows = 0
        self._out = out
        self._writes = service.settings.log_level in ("debug", "info")
        self._notes: list[Note] = []
        self._second = 0
        self._prefix = ""
        self._registry: CollectorRegistry | None = None

    def record(
        self,
        method: str,
        route: str,
        reply: Reply,
        started: float,
        request_id: str,
        trace: str,
    ) -> None:
        """Note a finished request. started: `time.perf_counter()` at its arrival."""
        if not self._notes:
            asyncio.get_running_loop().call_later(FLUSH_S, self.flush)
        series = (route, reply.status, reply.version)
        if reply.refused:
            trace = f'{trace},"refused":{json.dumps(shortened(reply.refused))}'
        ended = time.perf_counter()
        self._notes.append(
            (started, ended, method, series, reply.rows, request_id, trace)
        )

    def flush(self) -> None:
        """Count and log what is noted; a broken pipe must not break a request."""
        notes, self._notes = self._notes, []
        behind = time.time() - time.perf_counter()  # turns the one clock into the other
        lines = [self._count(behind, *note) for note in notes]
        try:
            self._out.write("".join(lines))
            self._out.flush()
        except OSError:
            pass

    def _count(
        self,
        behind: float,
        started: float,
        ended: float,
        method: str,
        series: tuple[str, int, str],
        rows: int,
        request_id: str,
        trace: str,
    ) -> str:
        elapsed = ended - started
        counted = self.series[series]
        counted.count += 1
        counted.seconds += elapsed
        counted.buckets[bisect_left(BUCKETS, elapsed)] += 1
        self.rows += rows
        if not self._writes:
            return ""
        route, status, version = series
        if version:  # it may not be the one in service
            trace = f'{trace},"version":"{version}"'
        now = ended + behind
        if int(now) != self._second:
            self._begin_second(now)
        return (
            f'{self._prefix}{int((now - self._second) * 1000):03d}Z","level":"info",'
            f'"event":"request","request_id":"{request_id}"{trace},'
            f'"method":"{method}","route":"{route}","status":{status},'
            f'"ms":{elapsed * 1000:.3f},"rows":{rows}}}\n'
        )

    def _begin_second(self, now: float) -> None:
        """Make the beginning of a line, with the time, once per second."""
        self._second = int(now)
        self._prefix = time.strftime('{"time":"%Y-%m-%dT%H:%M:%S.', time.gmtime(now))

    def expose(self) -> Reply:
        """The metrics that Prometheus scrapes."""
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

        if self._registry is None:
            self._registry = CollectorRegistry(auto_describe=False)
            self._registry.register(self)
        self.flush()
        page = generate_latest(self._registry)
        return Reply(page, content_type=CONTENT_TYPE_LATEST.encode())

    def collect(self) -> Iterator["Metric"]:
        """Called at each scrape; see the collector protocol of prometheus_client."""
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
            InfoMetricFamily,
        )

        service, pools = self.service, self.service.pools
        version = service.version
        requests = CounterMetricFamily(
            "http_requests", "Finished requests.", labels=["route", "code", "version"]
        )
        latency = HistogramMetricFamily(
            "http_request_seconds",
            "From arrival to the last byte.",
            labels=["route", "code", "version"],
        )
        bounds = [*map(str, BUCKETS), "+Inf"]
        for (route, status, other), series in list(self.series.items()):
            labels = [route, str(status), other or version]
            requests.add_metric(labels, series.count)
            cumulative = list(zip(bounds, accumulate(series.buckets), strict=True))
            latency.add_metric(labels, cumulative, sum_value=series.seconds)
        yield requests
        yield latency
        rows = CounterMetricFamily("predicted_rows", "Rows that were answered.")
        rows.add_metric([], self.rows)
        yield rows
        shed = CounterMetricFamily("requests_shed", "Refused because all was taken.")
        shed.add_metric([], sum(each.shed for each in pools))
        yield shed
        in_flight = sum(each.in_flight for each in pools)
        queued = sum(each.queued for each in pools)
        for name, about, value in (
            ("requests_in_flight", "Larger requests begun.", in_flight),
            ("requests_queued", "Larger requests that wait.", queued),
            ("model_ready", "1 when ready, else 0.", int(service.ready)),
            ("kernel_compilations", "Programs compiled or loaded.", compilations()),
        ):
            yield GaugeMetricFamily(name, about, value=value)
        info = InfoMetricFamily("model", "The model in service.")
        info.add_metric([], {"name": service.name, "version": version})
        yield info
        yield from service.collect()


class JsonLines(logging.Formatter):
    """Ordinary log records in the form of the access log: one JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info and record.exc_info[1]:
            line["error"] = str(record.exc_info[1])
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def log_as_json(level: str) -> None:
    """Every logger of the process writes JSON lines to stdout."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    # uvicorn's line for each WebSocket holds the query, which may contain secrets.
    handler.addFilter(lambda record: '"WebSocket %s"' not in str(record.msg))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
