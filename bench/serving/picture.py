"""Bars in plain SVG, readable on a light and on a dark page."""

from html import escape

WIDTH, LEFT, RIGHT, BAR, STEP = 760, 220, 120, 15, 21
PANELS = {
    "batch1-16": "1 row, 16 connections: requests/s, and how many times as fast we are",
    "rows1000-v1": "1,000 rows in V1 JSON",
    "rows1000-v2": "1,000 rows in V2 JSON",
    "rows1000-binary": "1,000 rows in V2 binary tensors",
}
STARTS = "Process start to first right answer: shorter is better"
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.head { font-weight: 600 }
.ours { fill: #1a7f5a }
.peer { fill: #8c959f }
.limit { fill: #c9d1d9 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .ours { fill: #3fb98a }
  .peer { fill: #6e7681 }
  .limit { fill: #484f58 }
}
"""

# contender's name, label, length, what to write behind the bar
Bar = tuple[str, str, float, str]


def svg(result: dict) -> str:
    """A panel for each kind of request and one for the start; bars begin at zero."""
    rows = {scenario["name"]: scenario["rows"] for scenario in result["scenarios"]}
    panels = [
        (title, [_throughput(row) for row in rows[name]])
        for name, title in PANELS.items()
        if rows.get(name)
    ]
    if result["starts"]:
        panels.append((STARTS, [_start(row) for row in result["starts"]]))
    lines: list[str] = []
    y = 24
    for title, bars in panels:
        lines += _panel(y, title, bars)
        y += 12 + STEP * len(bars) + 26
    there = result["environment"]
    source = f"{there['date']}, {there['cpu']}; server on one core, answers checked"
    lines.append(f'<text x="12" y="{y}">{escape(source)}</text>')
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 14}"'
            ' role="img" aria-label="This template beside its peers">',
            f"<style>{STYLE}</style>",
            *lines,
            "</svg>\n",
        ]
    )


def _throughput(row: dict) -> Bar:
    rate, times = row["groups"][0]["requests_per_s"], row["ours_is_times"]
    title = row["title"] + {"v1": ", V1", "v2": ", V2"}.get(row["protocol"], "")
    beaten = times is not None and _kind(row["name"]) == "peer"
    return row["name"], title, rate, f"{rate:,.0f}" + beaten * f" · {times:.1f}x"


def _start(row: dict) -> Bar:
    return row["name"], row["title"], row["start_s"], f"{row['start_s']:.2f} s"


def _panel(y: int, title: str, bars: list[Bar]) -> list[str]:
    scale = (WIDTH - LEFT - RIGHT) / max(length for _, _, length, _ in bars)
    lines = [f'<text class="head" x="12" y="{y}">{escape(title)}</text>']
    for number, (name, label, length, note) in enumerate(bars):
        top, end = y + 12 + STEP * number, LEFT + max(1.0, length * scale)
        size = f'width="{end - LEFT:.1f}" height="{BAR}"'
        lines += [
            f'<text x="{LEFT - 8}" y="{top + 12}" text-anchor="end">{escape(label)}'
            "</text>",
            f'<rect class="{_kind(name)}" x="{LEFT}" y="{top}" {size} rx="2"/>',
            f'<text x="{end + 6:.1f}" y="{top + 12}">{escape(note)}</text>',
        ]
    return lines


def _kind(name: str) -> str:
    return name.split("-")[0] if name.startswith(("ours", "limit")) else "peer"
