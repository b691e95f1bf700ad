"""Findings in, one HTML file out: text, tables and drawings, nothing from elsewhere."""

from collections.abc import Sequence
from html import escape
from string import Template

from ..artifacts.reference import Histogram
from .drift import Finding

WIDTH, HEIGHT, FOOT = 320, 96, 16
LETTER = 7  # approximate width of a letter

PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Drift: $title</title>
<style>
:root { color-scheme: light dark; --old: #8a94a3; --new: #1667c4; --bad: #b3261e;
  --text: #1b1f24; --back: #ffffff; --line: #d0d7de; }
@media (prefers-color-scheme: dark) { :root { --old: #7d8794; --new: #5aa2f5;
  --bad: #ff8a80; --text: #e6eaf0; --back: #14181d; --line: #3a424c; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text);
  background: var(--back); max-width: 72rem; margin: 2rem auto; padding: 0 1rem;
  overflow-wrap: break-word; }
table { border-collapse: collapse; } .wide { overflow-x: auto; }
th, td { padding: .25rem .75rem; text-align: right;
  border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
.drifted { color: var(--bad); font-weight: 600; }
.pictures { display: grid; gap: 1rem 2rem;
  grid-template-columns: repeat(auto-fill, minmax(min(20rem, 100%), 1fr)); }
figure { margin: 0; min-width: 0; } svg { width: 100%; height: auto; }
.old { fill: var(--old); } .new { fill: var(--new); }
svg text { fill: var(--text); font-size: 11px; }
</style></head><body>
<h1>Drift: $title</h1>
<p>$verdict</p>
<p>Grey is $before, blue is $now. A column has drifted if chance alone would show such
a difference in any column less than once in $once comparisons, and its population
stability index (PSI) is $large or more; or if more of its values are missing.</p>
<div class="wide"><table><thead><tr><th scope="col">column</th><th scope="col">PSI</th>
<th scope="col">test</th><th scope="col">p, adjusted</th><th scope="col">missing</th>
<th scope="col">out of range</th><th scope="col">verdict</th></tr></thead>
<tbody>
$rows
</tbody></table></div>
<h2>Shares by bin</h2>
<div class="pictures">
$pictures
</div></body></html>
""")


def render(
    findings: Sequence[Finding], before: str, now: str, alpha: float, large: float
) -> str:
    """before, now: what the two samples are called."""
    drifted = [shown_name(finding) for finding in findings if finding.drifted]
    verdict = f"Nothing of {len(findings)} columns has drifted."
    if drifted:
        verdict = f"{len(drifted)} of {len(findings)} have drifted: "
        verdict += f"{', '.join(drifted)}."
    return PAGE.substitute(
        title=escape(f"{now} against {before}"),
        verdict=escape(verdict),
        before=escape(before),
        now=escape(now),
        once=f"{1 / alpha:g}",
        large=f"{large:g}",
        rows="\n".join(map(row, findings)),
        pictures="\n".join(map(picture, findings)),
    )


def shown_name(finding: Finding) -> str:
    return finding.name if finding.kind == "feature" else "the answers"


def verdict_of(finding: Finding) -> str:
    words = ["moved"] * finding.moved + ["missing"] * finding.lost
    quiet = "as before" if finding.compared else "not compared"
    return " and ".join(words) or quiet


def row(finding: Finding) -> str:
    cells = [
        escape(shown_name(finding)),
        f"{finding.psi:.3f}",
        finding.test,
        f"{finding.p_value:.2g}",
        f"{finding.missing_before:.1%} → {finding.missing_now:.1%}",
        f"{finding.out_of_range:.1%}",
        verdict_of(finding),
    ]
    opening = '<tr class="drifted">' if finding.drifted else "<tr>"
    return opening + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def picture(finding: Finding) -> str:
    """Two bars for each bin: the share of the rows then, and now."""
    old, new = shares(finding.before), shares(finding.now)
    top = max(*old, *new, 0.01)
    step = WIDTH / len(old)
    bars = []
    for i, pair in enumerate(zip(old, new, strict=True)):
        for k, (kind, share) in enumerate(zip(("old", "new"), pair, strict=True)):
            height = share / top * HEIGHT
            bars.append(
                f'<rect class="{kind}" x="{(i + 0.1 + 0.4 * k) * step:.1f}" '
                f'y="{HEIGHT - height:.1f}" width="{0.4 * step:.1f}" '
                f'height="{height:.1f}"/>'
            )
    ticks = "".join(
        f'<text x="{x:.1f}" y="{HEIGHT + FOOT - 4}" text-anchor="middle">'
        f"<title>{escape(name)}</title>{escape(text)}</text>"
        for x, text, name in labels(finding, step)
    )
    name = escape(shown_name(finding))
    said = f"{name}: shares by bin, then and now; {verdict_of(finding)}"
    return (
        f'<figure><figcaption class="{"drifted" if finding.drifted else "quiet"}">'
        f"{name}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + FOOT}" role="img" aria-label="{said}">'
        f"{''.join(bars)}{ticks}</svg></figure>"
    )


def labels(finding: Finding, step: float) -> list[tuple[float, str, str]]:
    """Place, text and whole name: of a class, or of some boundaries of numbers."""
    if finding.labels:
        room = int(step / LETTER)
        return [
            ((i + 0.5) * step, fitted(name, room), name)
            for i, name in enumerate(finding.labels)
        ]
    edges = list(enumerate(finding.before.edges, start=1))
    return [
        (i * step, f"{edge:.3g}", f"{edge:g}")
        for i, edge in edges[:: max(len(edges) // 3, 1)]
    ]


def fitted(name: str, room: int) -> str:
    """At most `room` characters, so that none overlap: both ends of a longer name."""
    start = room // 2
    end = len(name) - (room - start - 1)
    return name if len(name) <= room else f"{name[:start]}…{name[end:]}"


def shares(bins: Histogram) -> list[float]:
    rows = sum(bins.counts)
    return [each / rows if rows else 0.0 for each in bins.counts]
