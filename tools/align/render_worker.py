"""Renders one version of the template for many sets of answers.

Runs as a program, so that each version loads its own extensions. Reads {"template",
"jobs": [{"answers", "address", "commit", "output"}]} from stdin, and writes one
{"context"} or {"error"} for each job.
"""

from __future__ import annotations

import json
import sys
import tomllib
from functools import cache
from pathlib import Path

from cookiecutter import generate
from cookiecutter.prompt import prompt_for_config
from jinja2 import Environment

compile_text = Environment.compile
compiled: dict[tuple[object, ...], object] = {}


def compile_once(self, source, name=None, filename=None, raw=False, defer_init=False):
    """Cache compiled templates: files are the same for each project, answers differ.

    The key is the text after the version's extension, which may change it.
    """
    key = (self.preprocess(source, name, filename), name, filename, raw, defer_init)
    if key not in compiled:
        compiled[key] = compile_text(self, source, *key[1:])
    return compiled[key]


def render(template: Path, job: dict[str, object]) -> dict[str, object]:
    context = generate.generate_context(
        context_file=str(template / "cookiecutter.json"), extra_context=job["answers"]
    )
    context["cookiecutter"] = prompt_for_config(context, no_input=True)
    context["cookiecutter"]["_template"] = job["address"]
    context["cookiecutter"]["_commit"] = job["commit"]
    made = generate.generate_files(
        repo_dir=str(template),
        context=context,
        output_dir=str(job["output"]),
        overwrite_if_exists=True,
        accept_hooks=False,
    )
    for name, text in files_of_team(template).items():
        (Path(made) / name).parent.mkdir(parents=True, exist_ok=True)
        (Path(made) / name).write_text(text, encoding="utf-8")
    return {"context": context}


def files_of_team(template: Path) -> dict[str, str]:
    """What the hook would add, without starting a process for each project."""
    file = template / "team.toml"
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    return tomllib.loads(text).get("files", {})


def main() -> None:
    work = json.load(sys.stdin)
    Environment.compile = compile_once
    generate.is_binary = cache(generate.is_binary)
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
