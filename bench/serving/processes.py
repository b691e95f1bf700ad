"""A contender as a process tree on the server's core: start, freeze, measure, stop."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from contenders import Contender
from http_answer import LoadError
from load import ask

SERVER_CORE = 0
CLIENT_CORE = 1
START_PATIENCE_S = 120
POLL_S = 0.005
SETTLE_S = 0.5
SETTLE_PATIENCE_S = 20
IDLE_SHARE = 0.1


class StartError(Exception):
    """The process ended or gave no right answer in time; the log's end says more."""


class Server:
    def __init__(
        self,
        contender: Contender,
        executables: Path,
        folder: Path,
        slug: str,
        scratch: Path,
        variables: dict[str, str],
    ) -> None:
        self.contender = contender
        self.log = scratch / "server.log"
        self._executables = executables
        self._folder = folder
        self._slug = slug
        self._scratch = scratch
        self._variables = variables
        self._process: subprocess.Popen[bytes] | None = None
        self.address = ("127.0.0.1", 0)

    def start(self, request: bytes, judge: Callable[[bytes, bytes], None]) -> float:
        """Seconds from process start to the first right answer over HTTP."""
        port = _free_ports(3)
        self.address = ("127.0.0.1", port)
        self._scratch.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            began = time.perf_counter()
            self._process = subprocess.Popen(
                [self._fill(word) for word in self.contender.command],
                cwd=self._folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),
            )
        while True:
            waited = time.perf_counter() - began
            try:
                judge(*ask(self.address, request, START_PATIENCE_S))
                return time.perf_counter() - began
            except (OSError, LoadError) as error:
                if self._process.poll() is not None or waited > START_PATIENCE_S:
                    self.stop()
                    tail = self.log.read_text(errors="replace")[-2000:]
                    raise StartError(f"{error} after {waited:.1f} s: {tail}") from error
                time.sleep(POLL_S)

    def settle(self) -> None:
        """Wait for what a server still does after its first answer, until it idles."""
        patience = time.monotonic() + SETTLE_PATIENCE_S
        busy = SETTLE_S
        while busy > SETTLE_S * IDLE_SHARE and time.monotonic() < patience:
            before = self.cpu_s()
            time.sleep(SETTLE_S)
            busy = self.cpu_s() - before

    def freeze(self) -> None:
        """Stop the whole tree, so that an idle server takes nothing from the others."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        if self._process is None:
            return
        everybody = self._family()
        self.thaw()
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=15)
        for pid in everybody:
            _signal_one(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def cpu_s(self) -> float:
        ticks = 0
        for pid in self._family():
            fields = _stat(pid)
            ticks += int(fields[11]) + int(fields[12]) if fields else 0
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        """Proportional set size of the whole tree: shared pages count once."""
        total_kb = 0
        for pid in self._family():
            try:
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
            total_kb += int(found[1]) if found else 0
        return total_kb / 1024

    def processes(self) -> int:
        return len(self._family())

    def _fill(self, word: str) -> str:
        port = self.address[1]
        values = {
            "{bin}": str(self._executables),
            "{slug}": self._slug,
            "{scratch}": str(self._scratch),
            "{port}": str(port),
            "{port+1}": str(port + 1),
            "{port+2}": str(port + 2),
        }
        for blank, value in values.items():
            word = word.replace(blank, value)
        return word

    def _environment(self) -> dict[str, str]:
        # Bytecode caches and buffering as a user has them, whatever this machine sets.
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "VIRTUAL_ENV", "ML_", "PORT"))
        }
        own = {k: self._fill(v) for k, v in self.contender.variables.items()}
        return inherited | self._variables | own

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._family():
            _signal_one(pid, number)

    def _family(self) -> list[int]:
        """The process and its descendants, by parent: some peers open own sessions."""
        if self._process is None:
            return []
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (fields := _stat(int(entry.name))):
                children.setdefault(int(fields[1]), []).append(int(entry.name))
        family = [self._process.pid]
        for pid in family:
            family += children.get(pid, [])
        return family


def stolen_s() -> float:
    """Seconds that the hypervisor gave to others while the two cores wanted to run."""
    lines = Path("/proc/stat").read_text().splitlines()
    wanted = {f"cpu{core}" for core in (SERVER_CORE, CLIENT_CORE)}
    ticks = sum(int(line.split()[8]) for line in lines if line.split()[0] in wanted)
    return ticks / os.sysconf("SC_CLK_TCK")


def second_core_keeps() -> float:
    """Speed of the client's core while the server's is busy: 1.0 for two real cores."""

    def loops() -> int:
        count, until = 0, time.perf_counter() + 0.2
        while time.perf_counter() < until:
            count += 1
        return count

    spinner = subprocess.Popen(
        [sys.executable, "-c", "while True: pass"],
        preexec_fn=lambda: os.sched_setaffinity(0, {SERVER_CORE}),
    )
    try:
        time.sleep(0.2)
        beside = loops()
    finally:
        spinner.kill()
        spinner.wait()
    return beside / loops()


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the state on, empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _signal_one(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _free_ports(count: int) -> int:
    """The first of `count` neighbouring ports that nobody listens on."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = probe.getsockname()[1]
        try:
            for port in range(first, first + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            continue
        return first
