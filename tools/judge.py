"""What third-party checkers find in the template and in what it renders, as one table.

    python tools/judge.py [--cheap] [--every]

Each choice is judged once, together with the defaults; with --every, each combination.
--cheap leaves out checkov, which takes half of the time.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cookiecutter.main import cookiecutter

TEMPLATE = Path(__file__).parents[1]
sys.path.insert(0, str(TEMPLATE))

from ml_service_template import CHOICES  # noqa: E402

UV = os.environ.get("UV", "uv")
PRODUCT = "{{cookiecutter.project_slug}}"
NOT_OURS = {".git", ".venv", ".tools", "build", PRODUCT}
RULES = TEMPLATE / ".yamllint.yaml"
LINE = "{:<16}{:<72}{}"
FRAMEWORKS = "dockerfile,github_actions,kubernetes,secrets"
SCHEMAS = {
    ".github/workflows/*.yml": "vendor.github-workflows",
    ".github/dependabot.yml": "vendor.dependabot",
    "action.yml": "vendor.github-actions",
    "compose.yaml": "vendor.compose-spec",
}
CHECKOV = [UV, "run", "--quiet", "--no-default-groups", "--group", "checkov", "checkov"]


@dataclass(frozen=True)
class Judgement:
    judge: str
    subject: str
    is_fine: bool
    said: str


def combinations(*, every: bool) -> list[dict[str, str]]:
    """The defaults and each other choice once, or all combinations."""
    if every:
        return [
            dict(zip(CHOICES, each, strict=True))
            for each in itertools.product(*CHOICES.values())
        ]
    first = {name: each[0] for name, each in CHOICES.items()}
    return [first] + [
        first | {name: choice} for name, each in CHOICES.items() for choice in each[1:]
    ]


def render(folder: Path, *, every: bool) -> list[Path]:
    own = {"replay_dir": str(folder / ".replay")}
    return [
        Path(
            cookiecutter(
                str(TEMPLATE),
                no_input=True,
                extra_context=answers,
                output_dir=str(folder / name_of(answers)),
                default_config=own,
                accept_hooks=False,
            )
        )
        for answers in combinations(every=every)
    ]


def name_of(answers: dict[str, str]) -> str:
    chosen = [each for name, each in answers.items() if each != CHOICES[name][0]]
    return "-".join(chosen) or "defaults"


def judge(name: str, subject: str, *command: str, **variables: str) -> Judgement:
    done = subprocess.run(
        command,
        cwd=TEMPLATE,
        env=os.environ | variables,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return Judgement(name, subject, done.returncode == 0, done.stdout + done.stderr)


def files(folder: Path, *patterns: str) -> list[str]:
    found = (each for pattern in patterns for each in folder.glob(pattern))
    return [
        str(each)
        for each in sorted(found)
        if each.is_file() and not NOT_OURS & set(each.relative_to(folder).parts)
    ]


def judgements(subjects: dict[str, Path], *, cheap: bool) -> Iterator[Judgement]:
    for subject, folder in subjects.items():
        yield judge("sp-repo-review", subject, "repo-review", str(folder))
        workflows = [str(folder / ".github"), *files(folder, "action.yml")]
        yield judge("zizmor", subject, "zizmor", "--offline", "--quiet", *workflows)
        yamls = files(folder, "**/*.yml", "**/*.yaml")
        strict = ["yamllint", "--strict", "--config-file", str(RULES)]
        yield judge("yamllint", subject, *strict, *yamls)
        for pattern, schema in SCHEMAS.items():
            if given := files(folder, pattern):
                check = ["check-jsonschema", "--builtin-schema", schema]
                yield judge("schema", f"{subject}, {schema}", *check, *given)
        if given := files(folder, "Dockerfile", "deploy/**/Dockerfile"):
            yield judge("hadolint", subject, "hadolint", *given)
        if given := files(folder, "**/*.sh", ".ci/run"):
            yield judge("shellcheck", subject, "shellcheck", *given)
        if not cheap:
            command = [*CHECKOV, "--quiet", "--compact", "--skip-download"]
            command += ["--framework", FRAMEWORKS]
            folders = ["--directory", str(folder), "--skip-path", PRODUCT]
            skipped = ["--skip-path", r"\.venv", "--skip-path", r"\.tools"]
            own = {"UV_PROJECT_ENVIRONMENT": str(TEMPLATE / ".tools" / "checkov")}
            yield judge("checkov", subject, *command, *folders, *skipped, **own)


def main() -> int:
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        rendered = render(Path(folder), every="--every" in sys.argv)
        renders = {each.parent.name: each for each in rendered}
        print(LINE.format("judge", "subject", "finds"))
        subjects = {"template": TEMPLATE} | renders
        for each in judgements(subjects, cheap="--cheap" in sys.argv):
            finds = "nothing" if each.is_fine else "something, see below"
            print(LINE.format(each.judge, each.subject, finds), flush=True)
            if not each.is_fine:
                failed.append(each)
    for each in failed:
        print(f"\n{each.judge}, {each.subject}:\n{each.said}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
