"""Interleaved rounds over all contenders; medians of the ratios within each round."""

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from contenders import LIMIT, OURS, Contender
from http_answer import LoadError
from load import Sample, drive
from oracle import AnswerError
from processes import Server, StartError, second_core_keeps, stolen_s
from project import Project, say
from scenarios import Scenario
from traffic import Traffic

SOAK_REQUESTS = 1_000_000
SOAK_STEPS = 20


@dataclass(frozen=True)
class Plan:
    rounds: int
    seconds: float
    warm_up: float
    start_rounds: int


FULL = Plan(rounds=5, seconds=2.0, warm_up=1.0, start_rounds=5)
QUICK = Plan(rounds=1, seconds=0.4, warm_up=0.3, start_rounds=1)


@dataclass(frozen=True)
class Round:
    """What one contender did in one round, group by group."""

    samples: list[Sample]
    server_busy: float
    stolen: float

    @property
    def rate(self) -> float:
        return self.samples[-1].requests_per_s

    @property
    def per_cpu_s(self) -> float:
        """Requests per second of the server's processor time, which noise spares."""
        return sum(s.requests_per_s for s in self.samples) / self.server_busy


@dataclass(frozen=True)
class Place:
    """Where a contender is: its executables, and the folder to start it in."""

    executables: Path
    folder: Path


class Bench:
    def __init__(
        self,
        project: Project,
        traffic: Traffic,
        places: dict[str, Place],
        failed: dict[str, str],
        scratch: Path,
    ) -> None:
        self.failed = failed
        self._project = project
        self._traffic = traffic
        self._places = places
        self._scratch = scratch

    def scenarios(
        self, contenders: Sequence[Contender], scenarios: Sequence[Scenario], plan: Plan
    ) -> list[dict]:
        with self._running([c for c in contenders if not c.only_start]) as servers:
            return [self._scenario(s, servers, plan) for s in scenarios]

    def starts(self, contenders: Sequence[Contender], plan: Plan) -> list[dict]:
        """Start to first right answer, each alone; at last, memory after load."""
        seconds: dict[str, list[float]] = {c.name: [] for c in contenders}
        rows: dict[str, dict] = {}
        # One round more than is counted: the first fills bytecode and kernel caches.
        for turn in range(plan.start_rounds + 1):
            for contender in contenders:
                if contender.name in self.failed:
                    continue
                say(f"start, round {turn} of {plan.start_rounds}: {contender.title}")
                server = self._server(contender)
                try:
                    took = self._start(server)
                    if turn:
                        seconds[contender.name].append(took)
                    if turn == plan.start_rounds:
                        rows[contender.name] = self._memory(server, plan)
                except (StartError, LoadError, AnswerError) as error:
                    self.failed[contender.name] = str(error)
                finally:
                    server.stop()
        ours = seconds[OURS] if OURS in rows else None
        return [
            {
                "name": c.name,
                "title": c.title,
                "start_s": statistics.median(seconds[c.name]),
                "start_rounds_s": seconds[c.name],
                "ours_takes": ours
                and statistics.median(
                    a / b for a, b in zip(ours, seconds[c.name], strict=True)
                ),
            }
            | rows[c.name]
            for c in contenders
            if c.name in rows
        ]

    def soak(self, contender: Contender) -> dict:
        """Memory of one contender over a million one-row requests."""
        server = self._server(contender)
        scenario = Scenario("soak", "soak", ("v1",), small=16)
        try:
            self._start(server)
            sent, memory = 0, [server.memory_mb()]
            while sent < SOAK_REQUESTS:
                groups = scenario.groups(self._traffic, contender, "v1")
                samples = drive(server.address, groups, 5.0, 0.0)
                sent += samples[0].requests
                if sent >= len(memory) * SOAK_REQUESTS / SOAK_STEPS:
                    memory.append(server.memory_mb())
                    say(f"soak: {sent:,} requests, {memory[-1]:.1f} MB")
        finally:
            server.stop()
            server.log.unlink(missing_ok=True)  # a line for each of the million
        return {"name": contender.name, "requests": sent, "memory_mb": memory}

    def _scenario(
        self, scenario: Scenario, servers: dict[str, Server], plan: Plan
    ) -> dict:
        entries = [
            (server, protocol)
            for server in servers.values()
            for protocol in scenario.protocols_of(server.contender)
        ]
        rounds: dict[tuple[str, str], list[Round]] = {
            (server.contender.name, protocol): [] for server, protocol in entries
        }
        second_core = second_core_keeps()
        for turn in range(plan.rounds):
            for server, protocol in entries:
                key = (server.contender.name, protocol)
                label = f"{scenario.name} {' '.join(key)}"
                if label in self.failed:
                    continue
                try:
                    done = self._round(scenario, server, protocol, plan)
                except (
                    OSError,
                    LoadError,
                    AnswerError,
                    ValueError,
                    KeyError,
                ) as error:
                    self.failed[label] = f"{type(error).__name__}: {error}"
                    rounds.pop(key)
                    say(f"FAILED {label}: {self.failed[label]}")
                    continue
                rounds[key].append(done)
                head = done.samples[0]
                say(
                    f"{turn + 1}/{plan.rounds} {label:<34}"
                    f"{head.requests_per_s:>9,.0f}/s"
                    f"  p50 {head.p50_ms:8.2f}  p99 {head.p99_ms:8.2f} ms"
                    f"  server {done.server_busy:.2f}  client {head.client_busy:.2f}"
                )
        rows = [
            _row(server.contender, protocol, rounds)
            for server, protocol in entries
            if (server.contender.name, protocol) in rounds
        ]
        return {
            "name": scenario.name,
            "title": scenario.title,
            "second_core": second_core,
            "rows": rows,
        }

    def _round(
        self, scenario: Scenario, server: Server, protocol: str, plan: Plan
    ) -> Round:
        groups = scenario.groups(self._traffic, server.contender, protocol)
        server.thaw()
        try:
            began, used, stolen = time.perf_counter(), server.cpu_s(), stolen_s()
            samples = drive(server.address, groups, plan.seconds, plan.warm_up)
            wall = time.perf_counter() - began
            return Round(
                samples,
                server_busy=(server.cpu_s() - used) / wall,
                stolen=(stolen_s() - stolen) / wall,
            )
        finally:
            server.freeze()

    @contextmanager
    def _running(self, contenders: Sequence[Contender]) -> Iterator[dict[str, Server]]:
        servers: dict[str, Server] = {}
        try:
            for contender in contenders:
                if contender.name in self.failed:
                    continue
                say(f"starting {contender.title}")
                server = self._server(contender)
                servers[contender.name] = server
                try:
                    self._start(server)
                except (StartError, AnswerError) as error:
                    self.failed[contender.name] = str(error)
                    say(f"FAILED {contender.title}: {error}")
                    servers.pop(contender.name).stop()
                    continue
                server.settle()
                server.freeze()
            yield servers
        finally:
            for server in servers.values():
                server.stop()

    def _server(self, contender: Contender) -> Server:
        place = self._places[contender.name]
        scratch = self._scratch / "run" / contender.name
        variables = {
            "PYTHONPATH": str(Path(__file__).parent / "peers" / "shared"),
            "NUMBA_CACHE_DIR": str(scratch / "numba"),
            "BENCH_MODEL": str(self._scratch / "model.json"),
            "BENCH_CONSTANTS": str(self._scratch / "constants"),
        }
        return Server(
            contender,
            place.executables,
            place.folder,
            self._project.slug,
            scratch,
            {} if contender.folder is None else variables,
        )

    def _start(self, server: Server) -> float:
        protocol, path = next(iter(server.contender.routes.items()))
        group = self._traffic.group(
            protocol, path, large=False, connections=1, key=server.contender.key
        )
        return server.start(group.requests[0], lambda *answer: group.judge(0, *answer))

    def _memory(self, server: Server, plan: Plan) -> dict:
        protocol = next(iter(server.contender.routes))
        for scenario in (
            Scenario("small", "", (protocol,), small=16),
            Scenario("large", "", (protocol,), large=16),
        ):
            groups = scenario.groups(self._traffic, server.contender, protocol)
            drive(server.address, groups, plan.seconds, plan.warm_up)
        return {"memory_mb": server.memory_mb(), "processes": server.processes()}


def _row(
    contender: Contender,
    protocol: str,
    rounds: dict[tuple[str, str], list[Round]],
) -> dict:
    own = rounds[contender.name, protocol]

    reference = rounds.get((OURS, "v1" if protocol == "constant" else protocol), [])
    limit = rounds.get((LIMIT, "constant"), [])
    return {
        "name": contender.name,
        "title": contender.title,
        "protocol": protocol,
        "of_limit": _median_ratio(own, limit, "rate"),
        "of_limit_per_cpu_s": _median_ratio(own, limit, "per_cpu_s"),
        "ours_is_times": _median_ratio(reference, own, "rate"),
        "ours_is_times_per_cpu_s": _median_ratio(reference, own, "per_cpu_s"),
        "server_busy": statistics.median(done.server_busy for done in own),
        "client_busy": statistics.median(d.samples[0].client_busy for d in own),
        "stolen": [done.stolen for done in own],
        "groups": [
            {
                unit: statistics.median(getattr(d.samples[g], unit) for d in own)
                for unit in ("requests_per_s", "p50_ms", "p99_ms")
            }
            for g in range(len(own[0].samples))
        ],
        "rounds": [[asdict(sample) for sample in done.samples] for done in own],
    }


def _median_ratio(above: list[Round], below: list[Round], what: str) -> float | None:
    """Median of the ratios within each round, None when either was not measured."""
    if not above or not below:
        return None
    pairs = zip(above, below, strict=True)
    return statistics.median(getattr(a, what) / getattr(b, what) for a, b in pairs)
