"""Renders one version of the template for many answers. Run as a program, so that each
version meets its own extensions.

Reads {"template", "jobs": [{"answers", "address", "commit", "output"}]} from stdin, and
writes one {"context"} or {"error"} for each job.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cookiecutter.generate import generate_context, generate_files
from cookiecutter.prompt import prompt_for_config


def render(template: Path, job: dict[str, object]) -> dict[str, object]:
    context = generate_context(
        context_file=str(template / "cookiecutter.json"), extra_context=job["answers"]
    )
    context["cookiecutter"] = prompt_for_config(context, no_input=True)
    context["cookiecutter"]["_template"] = job["address"]
    context["cookiecutter"]["_commit"] = job["commit"]
    generate_files(
        repo_dir=str(template),
        context=context,
        output_dir=str(job["output"]),
        overwrite_if_exists=True,
        accept_hooks=False,
    )
    return {"context": context}


def main() -> None:
    work = json.load(sys.stdin)
    template = Path(work["template"])
    sys.path.insert(0, str(template))
    results = []
    for job in work["jobs"]:
        try:
            results.append(render(template, job))
        except Exception as failure:  # noqa: BLE001 - any version's any mistake
            results.append({"error": f"{type(failure).__name__}: {failure}"})
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
