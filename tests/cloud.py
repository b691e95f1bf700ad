"""The platforms' programs, stood in for by one that writes down what it was told.

It answers as the platform would; what is asked of a service is its affair too.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path

from conftest import bare_environment
from platforms import IMAGE, PLATFORMS, SECRETS

PROGRAMS = "aws az docker faas-cli gcloud gh heroku kubectl".split()
STAND_IN = f"""#!{sys.executable} -IS
import json, os, sys, time
home = os.path.dirname(os.path.dirname(os.path.abspath(sys.argv[0])))
told = " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]])
with open(home + "/told", "a") as file:
    print(told, file=file)
with open(home + "/replies.json") as file:
    replies = json.load(file)
for beginning, (code, text) in replies.items():
    if told.startswith(beginning):
        print(text, file=sys.stderr if code else sys.stdout, flush=True)
        if code == "wait":
            time.sleep(60)
        while code == "wait until told" and not os.path.exists(home + "/go on"):
            time.sleep(0.02)
        sys.exit(code if isinstance(code, int) else 0)
"""
SMOKE = """
import pathlib, sys
home = pathlib.Path(__file__).parents[2]
with open(home / "told", "a") as file:
    print("smoke", sys.argv[2], file=file)
sys.exit((home / "broken").exists())
"""


@dataclass
class Cloud:
    """A machine with the platforms' programs, and a platform behind them."""

    project: Path
    target: str
    home: Path
    replies: dict[str, tuple[object, str]]

    def start(self, **given: str) -> subprocess.Popen[str]:
        (self.home / "replies.json").write_text(json.dumps(self.replies))
        path = f"{self.home / 'bin'}:/usr/bin:/bin"
        environment = bare_environment() | PLATFORMS[self.target].environment | SECRETS
        environment |= {"PATH": path, "PYTHONPATH": str(self.home / "modules")}
        return subprocess.Popen(
            [sys.executable, str(self.project / "deploy" / "deploy.py")],
            env=environment | given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def deploy(self, **given: str) -> tuple[int, str, str]:
        running = self.start(**(given or {"IMAGE": IMAGE}))
        out, err = running.communicate(timeout=60)
        return running.returncode, out.strip(), err

    def told(self) -> list[str]:
        """What was run, without the parts that differ each time."""
        file = self.home / "told"
        return file.read_text().splitlines() if file.exists() else []

    def wait_for(self, command: str) -> None:
        deadline = time.monotonic() + 30
        while not any(command in each for each in self.told()):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def steps(self, name: str) -> list[str]:
        """The beginnings of the commands that steps.toml has under a name."""
        file = self.project / "deploy" / self.target / "steps.toml"
        listed = tomllib.loads(file.read_text())[name]
        return [" ".join(shlex.split(each)[:2]) for each in listed]

    def ran(self, name: str) -> bool:
        told, steps = iter(self.told()), self.steps(name)
        return all(any(each.startswith(step) for each in told) for step in steps)

    def nothing_there(self) -> None:
        """As before the first deployment: nothing is found until something is made."""
        if self.target == "heroku":
            made = [{"version": 2, "status": "succeeded", "slug": None}]
            self.replies["heroku releases --json"] = (0, json.dumps(made))
            return
        absent = {
            "cloud-run": ("gcloud run services describe", "Cannot find service"),
            "fargate": ("aws cloudformation describe-stacks", "does not exist"),
            "azure-container-instances": ("az container show", "ResourceNotFound"),
            "openfaas": ("faas-cli describe", "no such function"),
            "kubernetes": ("kubectl get deployment", "NotFound"),
        }
        beginning, text = absent[self.target]
        self.replies[beginning] = (1, text)


def deployed(target: str) -> str:
    digest = IMAGE.partition("@")[2]
    registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
    return {
        "fargate": f"{registry}/wine-classifier@{digest}",
        "azure-container-instances": f"winery.azurecr.io/wine-classifier@{digest}",
        "openfaas": IMAGE,
    }[target]


ADDRESSES = {
    "cloud-run": "https://candidate---wine.a.run",
    "fargate": "https://wine.example.org",
    "azure-container-instances": "http://wine.westeurope.azurecontainer.io:8080",
    "heroku": "https://wine.herokuapp.com/",
    "openfaas": "https://faas.example.org/function/wine-classifier",
    "kubernetes": "https://wine.example.org",
}
