"""How often drift is reported where there is none, and how soon where there is some.

    python bench/drift.py PROJECT [--resamples N]

PROJECT is a rendered project, set up (`make setup`). Its own code is run, in its own
environment: halves of its sample and of normal data for false alarms, of the report and
of the live index; shifts of one feature in eight for detection.
"""

import argparse
import subprocess
import sys
from pathlib import Path

INSIDE = """
import csv, sys
from importlib import import_module
from pathlib import Path
import numpy as np

package, resamples = sys.argv[1], int(sys.argv[2])
artifact = import_module(f"{package}.artifacts.artifact")
drift = import_module(f"{package}.monitoring.drift")
live = import_module(f"{package}.monitoring.live")
reference = import_module(f"{package}.artifacts.reference")
statistics = import_module(f"{package}.monitoring.statistics")
random = np.random.default_rng(1)


def alarmed(old, new):
    ends = zip(old.min(axis=0), old.max(axis=0))
    features = [artifact.Feature(str(j), "", a, a, b) for j, (a, b) in enumerate(ends)]
    found = drift.between(features, drift.columns_of(old), new)
    return [finding.drifted for finding in found]


def share(draw, tell):
    alarms = sum(tell(*draw()) for _ in range(resamples))
    return f"{alarms} of {resamples}"


def index_alarmed(old, new):
    alpha = live.FALSE_ALARMS / old.shape[1]
    for x, y in zip(old.T, new.T):
        known = reference.histogram(x)
        now = reference.count(y, known.edges)
        limit = statistics.stability_by_chance(len(x), len(y), len(now), alpha)
        if statistics.stability_index(np.array(known.counts), now) > max(0.2, limit):
            return True
    return False


with Path("data/sample.csv").open() as file:
    rows = list(csv.reader(file))[1:]
sample = np.array([row[:-1] for row in rows], dtype=float)


def halves():
    order = random.permutation(len(sample))
    return sample[order[: len(sample) // 2]], sample[order[len(sample) // 2 :]]


def normal(n, m, shift=0.0):
    def draw():
        old, new = random.normal(size=(n, 8)), random.normal(size=(m, 8))
        new[:, 0] += shift
        return old, new
    return draw


print("| no drift | the report | the live index |")
print("|---|---|---|")
for name, draw in (
    ("halves of the sample", halves),
    ("normal, 200 and 100 rows", normal(200, 100)),
    ("normal, 2,000 and 1,000 rows", normal(2000, 1000)),
):
    report = share(draw, lambda *pair: any(alarmed(*pair)))
    print(f"| {name} | {report} | {share(draw, index_alarmed)} |")
print()
print("| one feature of eight moved, 2,000 rows of then | 100 rows | 1,000 rows |")
print("|---|---|---|")
for shift in (0.25, 0.5, 1.0):
    cells = [
        share(normal(2000, m, shift), lambda *pair: alarmed(*pair)[0])
        for m in (100, 1000)
    ]
    print(f"| by {shift:g} standard deviations | {cells[0]} | {cells[1]} |")
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("--resamples", type=int, default=1000)
    given = parser.parse_args()
    (package,) = (given.project / "src").iterdir()
    python = given.project / ".venv" / "bin" / "python"
    command = [python.absolute(), "-c", INSIDE, package.name, str(given.resamples)]
    sys.exit(subprocess.run(command, cwd=given.project).returncode)


if __name__ == "__main__":
    main()
