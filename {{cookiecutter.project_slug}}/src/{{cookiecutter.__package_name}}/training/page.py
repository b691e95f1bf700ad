"""A report and its pictures in, one HTML file out that loads nothing from elsewhere."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from html import escape
from string import Template

from .comparison import DRAWS, WORSE, Compared, Interval
from .drawing import Picture
from .report import Report

STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --back: #ffffff; --line: #d0d7de;
  --quiet: #59636e; --good: #0b6b3a; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --text: #e6eaf0; --back: #14181d;
  --line: #3a424c; --quiet: #98a2b0; --good: #6fd39b; --bad: #ff8a80; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text);
  background: var(--back); max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin-top: 2.5rem; }
h3 { font-size: 1rem; margin: 0; }
.quiet, figcaption { color: var(--quiet); font-size: .9rem; }
.verdict { font-weight: 600; border-left: .3rem solid; padding: .3rem .8rem; }
.good { color: var(--good); } .bad { color: var(--bad); }
.wide { overflow-x: auto; margin-bottom: 1.5rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .75rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.5rem; }
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
.pictures { display: grid; gap: 2rem;
  grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); }
figure { margin: 0; } img { width: 100%; height: auto; }
"""

PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
img-src data:; style-src 'sha256-$digest'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>$style</style></head><body>
<h1>$title</h1>
<p class="quiet">$what</p>
<p class="verdict $mood">$verdict</p>
<h2>Metrics</h2>
<p>In brackets is the 95 % bootstrap interval, from $draws draws of the rows; both
models are judged by the same draws. A metric is <em>better</em> or <em>worse</em> if
the interval of its difference does not contain 0, whatever the other metrics say.
$in_service</p>
$tables
<h2>Pictures</h2>
<div class="pictures">
$pictures
</div>
<h2>Importance</h2>
$importances
<h2>How it was made</h2>
$origin
</body></html>
""")


def render(report: Report, pictures: Sequence[Picture]) -> str:
    manifest = report.manifest
    rows = manifest.evaluation.rows
    return PAGE.substitute(
        digest=b64encode(sha256(STYLE.encode()).digest()).decode(),
        style=STYLE,
        title=escape(f"{manifest.name} {manifest.version}"),
        what=escape(
            f"Judged by {rows} rows of {report.data} that it has not learned from."
        ),
        verdict=escape(report.verdict),
        mood="bad" if report.failures else "good",
        draws=DRAWS,
        in_service=escape(report.in_service),
        tables="\n".join(tables(report)),
        pictures="\n".join(map(figure, pictures)),
        importances=table(
            ["feature", "rise when shuffled", "standard deviation"],
            [
                [each.feature, f"{each.mean:.4f}", f"{each.spread:.4f}"]
                for each in report.importances
            ],
        ),
        origin=origin(report),
    )


def tables(report: Report) -> list[str]:
    found = [compared("baseline", report.baseline)]
    if report.production:
        found.append(compared("in service", report.production))
    if report.manifest.evaluation.per_class:
        found.append("<h2>Classes</h2>\n" + classes(report))
    return found


def compared(name: str, metrics: Iterable[Compared]) -> str:
    rows = [
        [
            each.name,
            shown(each.ours),
            shown(each.theirs),
            shown(each.difference, "+"),
            each.verdict,
        ]
        for each in metrics
    ]
    return table(["metric", "this version", name, "difference", "this is"], rows)


def shown(each: Interval, sign: str = "") -> str:
    numbers = [f"{x:{sign}z.4f}" for x in (each.value, each.low, each.high)]
    return "{} [{}, {}]".format(*numbers).replace("-", "−")


def classes(report: Report) -> str:
    told = report.manifest.evaluation
    columns = list(next(iter(told.per_class.values())))
    rows = [
        [name, *(f"{scores[column]:.4g}" for column in columns), *map(str, counts)]
        for (name, scores), counts in zip(
            told.per_class.items(), told.confusion, strict=True
        )
    ]
    return table(["class", *columns, *(f"as {name}" for name in told.per_class)], rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Every cell is escaped, so it shows as text whatever is in it."""
    titles = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    lines = [
        f"<tr>{''.join(f'<td{mood(cell)}>{escape(cell)}</td>' for cell in row)}</tr>"
        for row in rows
    ]
    return (
        f'<div class="wide"><table><thead><tr>{titles}</tr></thead>\n<tbody>\n'
        + "\n".join(lines)
        + "\n</tbody></table></div>"
    )


def mood(cell: str) -> str:
    return ' class="bad"' if cell == WORSE else ""


def figure(picture: Picture) -> str:
    """The browser picks the light or the dark image."""
    light, dark = (
        f"data:image/png;base64,{b64encode(each).decode()}"
        for each in (picture.light, picture.dark)
    )
    title, caption = escape(picture.title), escape(picture.caption)
    return (
        f"<figure><h3>{title}</h3><picture>"
        f'<source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{title}: {caption}"></picture>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def origin(report: Report) -> str:
    items = facts(report)
    lines = "\n".join(
        f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in items
    )
    return f"<dl>\n{lines}\n</dl>"


def facts(report: Report) -> list[tuple[str, str]]:
    """Where the version comes from, as (name, text); the card uses it too."""
    manifest, made = report.manifest, report.manifest.provenance
    found = [
        ("made", f"{manifest.created:%Y-%m-%d %H:%M} UTC"),
        ("learned from", f"{made.train_rows} rows of {made.data_source}"),
        ("sha256 of the data", made.data_sha256),
        ("split", told(made.split)),
        ("parameters", told(made.parameters)),
        ("commit", made.git_commit or "none"),
        ("made with", told(made.versions)),
    ]
    if made.continued_from:
        found.append(("went on from", made.continued_from))
    return found


def told(named: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in named.items()) or "none"
