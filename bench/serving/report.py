"""Results out: a table to read, JSON to compare, Markdown and a picture to show."""

import json
import os
import platform
import re
import statistics
from datetime import UTC, datetime
from pathlib import Path

import picture

RATES = [
    "",
    "requests/s",
    "p50 ms",
    "p99 ms",
    "of the limit",
    "ours is",
    "CPU: of the limit",
    "CPU: ours is",
    "client busy",
]
MIXED = [
    "",
    "small p50 ms",
    "small p99 ms",
    "large/s",
    "large p50 ms",
    "large p99 ms",
    "ours is (large/s)",
]
STARTS = ["", "start s", "ours takes", "memory MB", "processes"]
PROTOCOLS = {"v1": ", V1", "v2": ", V2", "v2-binary": ", V2 binary"}


def environment(versions: dict[str, str]) -> dict:
    model = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cpu": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": versions,
    }


def write(result: dict, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1) + "\n"
    (folder / "results.json").write_text(text, encoding="utf-8")
    (folder / "results.md").write_text(markdown(result), encoding="utf-8")
    (folder / "results.svg").write_text(picture.svg(result), encoding="utf-8")


def markdown(result: dict) -> str:
    there = result["environment"]
    parts = [
        "# Serving, measured",
        f"{there['date']}, {there['cpu']}, {there['cores']} cores, {there['system']}, "
        f"Python {there['python']}. Server on one core, client on another, interleaved "
        "rounds. Ratios are medians of the ratios within each round: by requests per "
        "second and, under CPU, by requests per second of the server's processor time. "
        "[How and why](README.md).",
    ]
    if result["scenarios"]:
        parts.append(_quietness(result["scenarios"]))
    for scenario in result["scenarios"]:
        parts += [f"## {scenario['title']}", _scenario(scenario["rows"])]
    if result["starts"]:
        title = "## Process start to first right answer, memory after load"
        parts += [title, _table(STARTS, map(_start, result["starts"]))]
    parts += [_soak(soak) for soak in result["soak"]]
    if result["failed"]:
        parts += ["## Not measured", _failures(result["failed"])]
    parts += ["## Versions", _table(["", "version"], there["versions"].items())]
    return "\n\n".join(parts) + "\n"


def _quietness(scenarios: list[dict]) -> str:
    """How much neighbours on the same hardware disturbed: when much, run again."""
    stolen = [x for s in scenarios for row in s["rows"] for x in row["stolen"]]
    kept = [scenario["second_core"] for scenario in scenarios]
    if not stolen:
        return "Nothing could be measured."
    return (
        "How quiet the machine was: others took "
        f"{statistics.median(stolen):.0%} of the two cores (worst round "
        f"{max(stolen):.0%}); while one core was busy the other kept "
        f"{statistics.median(kept):.0%} of its speed (worst {min(kept):.0%})."
    )


def _scenario(rows: list[dict]) -> str:
    if any(len(row["groups"]) > 1 for row in rows):
        return _table(MIXED, map(_mixed, rows))
    return _table(RATES, map(_rates, rows))


def _rates(row: dict) -> list[str]:
    (group,) = row["groups"]
    return [
        row["title"] + PROTOCOLS.get(row["protocol"], ""),
        f"{group['requests_per_s']:,.0f}",
        f"{group['p50_ms']:.2f}",
        f"{group['p99_ms']:.2f}",
        _share(row["of_limit"]),
        _times(row["ours_is_times"]),
        _share(row["of_limit_per_cpu_s"]),
        _times(row["ours_is_times_per_cpu_s"]),
        f"{row['client_busy']:.0%}",
    ]


def _mixed(row: dict) -> list[str]:
    small, large = row["groups"]
    return [
        row["title"] + PROTOCOLS[row["protocol"]],
        f"{small['p50_ms']:.2f}",
        f"{small['p99_ms']:.2f}",
        f"{large['requests_per_s']:,.0f}",
        f"{large['p50_ms']:.1f}",
        f"{large['p99_ms']:.1f}",
        _times(row["ours_is_times"]),
    ]


def _start(row: dict) -> list[str]:
    return [
        row["title"],
        f"{row['start_s']:.2f}",
        _share(row["ours_takes"]),
        f"{row['memory_mb']:.0f}",
        str(row["processes"]),
    ]


def _soak(soak: dict) -> str:
    memory = soak["memory_mb"]
    return (
        f"## Soak\n\nOver {soak['requests']:,} requests: {memory[0]:.1f} MB before, "
        f"{memory[1]:.1f} MB after the first {1 / (len(memory) - 1):.0%}, "
        f"{memory[-1]:.1f} MB at the end."
    )


def _failures(failed: dict[str, str]) -> str:
    return "\n".join(
        f"- {name}: {reason.strip().splitlines()[-1][:200]}"
        for name, reason in failed.items()
    )


def _share(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def _times(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}x"


def _table(columns: list[str], rows) -> str:
    """A Markdown table whose columns line up in a terminal too."""
    table = [columns, *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]

    def line(cells: list[str]) -> str:
        padded = [cells[0].ljust(widths[0])]
        padded += [c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True)]
        return f"| {' | '.join(padded)} |"

    dashes = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line(columns), line(dashes), *map(line, table[1:])])
