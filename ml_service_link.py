"""Writes .cruft.json, so that cruft knows a project however it was rendered.

cookiecutter loads `Link` through `_extensions`; see docs/decisions/0029.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment
from jinja2.ext import Extension

TEMPLATE = Path(__file__).parent
SECRET = re.compile(r"(?<=^https://)[^/@]+@|(?<=^http://)[^/@]+@")
# What cookiecutter records about the run; the paths are those of the machine it ran on.
OF_THE_RUN = {"_output_dir", "_repo_dir", "_checkout", "_template", "_commit"}

# Git tells its hooks by these which repository they are in; here it must be another.
OF_A_HOOK = {"GIT_DIR", "GIT_COMMON_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}


def git(*arguments: str) -> str:
    """What git prints about the template's folder; empty when git fails."""
    command = ["git", "-C", str(TEMPLATE), *arguments]
    outside = {name: each for name, each in os.environ.items() if name not in OF_A_HOOK}
    try:
        done = subprocess.run(
            command, env=outside, capture_output=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace").strip()


def canonical_address() -> str:
    """The address at which others find the commit that is checked out here."""
    origin = git("config", "--get", "remote.origin.url")
    is_known_there = git("for-each-ref", "--count=1", "--contains=HEAD", "refs/remotes")
    if not origin or not is_known_there:
        return git("rev-parse", "--show-toplevel")
    folder = Path(TEMPLATE, origin)
    is_folder = ":" not in origin and folder.is_dir()
    return str(folder.resolve()) if is_folder else SECRET.sub("", origin.rstrip("/"))


def cruft_link(answers: Mapping[str, object]) -> str:
    """The text of .cruft.json: where the project comes from, and the answers."""
    directory = None
    if "_commit" in answers:  # cruft renders, and knows the origin
        address, commit = answers["_template"], answers["_commit"]
    elif git("ls-files", "cookiecutter.json"):
        address, commit = canonical_address(), git("rev-parse", "HEAD")
        directory = git("rev-parse", "--show-prefix").rstrip("/") or None
    else:  # an archive, which doesn't tell its commit
        address, commit = answers["_template"], f"v{answers['_template_version']}"
    kept = {name: each for name, each in answers.items() if name not in OF_THE_RUN}
    link = {
        "template": address,
        "commit": commit,
        "checkout": answers.get("_checkout"),
        "context": {"cookiecutter": kept | {"_template": address, "_commit": commit}},
        "directory": directory,
    }
    return json.dumps(link, indent=2)


class Link(Extension):
    """Gives templates the filter `cruft_link`."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.filters["cruft_link"] = cruft_link
        # cruft renders two versions in one process: the next one must load its own.
        for name in (__name__, "ml_service_template", "ml_service_team"):
            sys.modules.pop(name, None)
