"""Serving benchmark: the rendered service, the limit and the peers in one run.

python bench/serving/run.py               everything, about twenty minutes
python bench/serving/run.py --quick       one short round: does the harness work?
python bench/serving/run.py --only ours,limit,kserve --scenario batch1-16
python bench/serving/run.py --soak        also: memory over a million requests
"""

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import environments
import measure
import report
from contenders import CONTENDERS, OURS
from oracle import Oracle
from processes import CLIENT_CORE, SERVER_CORE
from project import BUILD, ROOT, PreparationError, prepare, say
from scenarios import SCENARIOS
from traffic import Traffic

START = "start"
NAMES = {
    "only": [contender.name for contender in CONTENDERS],
    "scenario": [scenario.name for scenario in SCENARIOS] + [START],
}


def main() -> None:
    options = arguments()
    cores = os.sched_getaffinity(0)
    if not {SERVER_CORE, CLIENT_CORE} <= cores:
        sys.exit(f"needs cores {SERVER_CORE} and {CLIENT_CORE}; may use only {cores}")
    wanted = [c for c in CONTENDERS if c.name in options.only]
    project = prepare(options.project)
    oracle = Oracle.read(project.version)
    traffic = Traffic.from_sample(project.sample, oracle)
    traffic.write_constants(BUILD / "constants")
    (BUILD / "model.json").write_text(json.dumps(vars(oracle)))
    places, failed = environments.prepare(wanted, project)

    os.sched_setaffinity(0, {CLIENT_CORE})
    bench = measure.Bench(project, traffic, places, failed, BUILD)
    plan = measure.QUICK if options.quick else measure.FULL
    if options.rounds:
        plan = replace(plan, rounds=options.rounds)
    chosen = [s for s in SCENARIOS if s.name in options.scenario]
    result = {
        "environment": report.environment(environments.versions(wanted, places)),
        "plan": vars(plan),
        "scenarios": bench.scenarios(wanted, chosen, plan) if chosen else [],
        "starts": bench.starts(wanted, plan) if START in options.scenario else [],
        "soak": [bench.soak(c) for c in wanted if options.soak and c.name == OURS],
        "failed": failed,
    }
    print(report.markdown(result))
    whole = options.only == NAMES["only"] and options.scenario == NAMES["scenario"]
    folder = Path(__file__).parent if whole and not options.quick else BUILD / "partial"
    report.write(result, folder)
    say(f"written to {folder.relative_to(ROOT)}: results.json, results.md, results.svg")
    if OURS in failed:
        sys.exit(1)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--project", type=Path, help="a rendered project; default: a new one"
    )
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument(
        "--rounds", type=int, help="of each scenario, instead of the plan's"
    )
    parser.add_argument(
        "--soak", action="store_true", help="a million requests to ours"
    )
    for option, known in NAMES.items():
        parser.add_argument(
            f"--{option}",
            type=lambda text: text.split(","),
            default=known,
            metavar="NAME,NAME",
            help=", ".join(known),
        )
    options = parser.parse_args()
    for option, known in NAMES.items():
        if unknown := set(getattr(options, option)) - set(known):
            parser.error(f"--{option}: unknown {', '.join(sorted(unknown))}")
    return options


if __name__ == "__main__":
    try:
        main()
    except PreparationError as error:
        sys.exit(str(error))
