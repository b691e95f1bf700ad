"""What a deployment runs, in which order, and what it undoes when the proof fails.

The platforms' programs are stood in for by one that writes down what it was told and
answers as the platform would; what is asked of a service is the stand-in's affair too.
"""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import bare_environment
from platforms import IMAGE, OLD_IMAGE, PLATFORMS, TARGETS

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
        sys.exit(code)
"""
SMOKE = """
import pathlib, sys
home = pathlib.Path(__file__).parents[2]
with open(home / "told", "a") as file:
    print("smoke", sys.argv[2], file=file)
sys.exit((home / "broken").exists())
"""
pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the stand-ins are scripts with a first line"
)


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
        environment = bare_environment() | PLATFORMS[self.target].environment
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
        absent = {
            "cloud-run": ("gcloud run services describe", "Cannot find service"),
            "fargate": ("aws cloudformation describe-stacks", "does not exist"),
            "azure-container-instances": ("az container show", "ResourceNotFound"),
            "openfaas": ("faas-cli describe", "no such function"),
            "kubernetes": ("kubectl get deployment", "NotFound"),
        }
        beginning, text = absent[self.target]
        self.replies[beginning] = (1, text)


@pytest.fixture(scope="module")
def rendered(render) -> dict[str, Path]:
    return {each: render(deploy=each).path for each in TARGETS}


@pytest.fixture
def cloud(request, rendered, tmp_path) -> Cloud:
    for folder in ("bin", "modules/wine_classifier"):
        (tmp_path / folder).mkdir(parents=True)
    for each in PROGRAMS:
        program = tmp_path / "bin" / each
        program.write_text(STAND_IN)
        program.chmod(0o755)
    (tmp_path / "modules/wine_classifier/__main__.py").write_text(SMOKE)
    (tmp_path / "modules/wine_classifier/__init__.py").write_text("")
    target = getattr(request, "param", "kubernetes")
    after = {"fargate", "azure-container-instances", "openfaas"}
    serving = deployed(target) if target in after else OLD_IMAGE
    replies = {
        beginning: (0, (each if isinstance(each, str) else json.dumps(each)))
        for beginning, each in PLATFORMS[target].replies.items()
    }
    replies = {
        beginning: (code, text.replace("IMAGE", serving))
        for beginning, (code, text) in replies.items()
    }
    return Cloud(rendered[target], target, tmp_path, replies)


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


@pytest.mark.parametrize("cloud", TARGETS, indirect=True)
def test_a_deployment_ends_with_a_smoke_test_of_the_address(cloud):
    code, out, err = cloud.deploy()
    assert code == 0, err
    assert out == ADDRESSES[cloud.target]
    assert f"smoke {out}" in cloud.told()
    assert cloud.ran("deploy")


@pytest.mark.parametrize("cloud", TARGETS, indirect=True)
def test_a_failed_smoke_test_brings_back_what_served_before(cloud):
    (cloud.home / "broken").touch()
    code, out, err = cloud.deploy()
    assert code == 1
    assert out == ""
    assert " serves again" in err.splitlines()[-1]
    after = cloud.told()[cloud.told().index(f"smoke {ADDRESSES[cloud.target]}") :]
    assert [" ".join(each.split()[:2]) for each in after[1:]] == cloud.steps("rollback")


@pytest.mark.parametrize(
    "cloud", ["cloud-run", "openfaas", "kubernetes"], indirect=True
)
def test_a_first_deployment_that_fails_has_nothing_to_go_back_to(cloud):
    cloud.nothing_there()
    (cloud.home / "broken").touch()
    code, _, err = cloud.deploy()
    assert code == 1
    assert "nothing served before" in err.splitlines()[-1]
    assert not any("rollback" in each or "undo" in each for each in cloud.told())


@pytest.mark.parametrize("cloud", ["cloud-run"], indirect=True)
def test_a_revision_gets_traffic_only_when_it_has_proved_itself(cloud):
    assert cloud.deploy()[0] == 0
    (promoted,) = [each for each in cloud.told() if "update-traffic" in each]
    assert "--to-revisions wine-classifier-r20" in promoted
    assert cloud.told().index(promoted) == len(cloud.told()) - 1
    assert cloud.told()[-2].startswith("smoke ")


@pytest.mark.parametrize("cloud", ["fargate"], indirect=True)
def test_a_platform_that_went_back_by_itself_is_found_out(cloud):
    beginning, (code, text) = next(iter(cloud.replies.items()))
    cloud.replies[beginning] = (code, text.replace(deployed("fargate"), OLD_IMAGE))
    code, _, err = cloud.deploy()
    assert code == 1
    assert f"found '{OLD_IMAGE}'" in err.splitlines()[-1]


def test_a_failing_command_shows_its_words_and_undoes_what_was_done(cloud):
    cloud.replies["kubectl apply"] = (1, "no permission")
    code, _, err = cloud.deploy()
    assert code == 1
    assert "no permission" in err
    assert err.splitlines()[-1].startswith("error: kubectl apply --kustomize ")
    assert cloud.ran("rollback")


def test_a_cloud_that_cannot_be_asked_is_not_taken_for_an_empty_one(cloud):
    cloud.replies["kubectl get deployment"] = (1, "Unauthorized")
    code, _, err = cloud.deploy()
    assert code == 1
    assert "Unauthorized" in err
    assert len(cloud.told()) == 1


def test_a_cancelled_deployment_goes_back(cloud):
    cloud.replies["kubectl rollout status"] = ("wait", "waiting")
    running = cloud.start(IMAGE=IMAGE)
    deadline = time.monotonic() + 30
    while not any("rollout status" in each for each in cloud.told()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    del cloud.replies["kubectl rollout status"]
    (cloud.home / "replies.json").write_text(json.dumps(cloud.replies))
    running.send_signal(signal.SIGTERM)
    _, err = running.communicate(timeout=30)
    assert running.returncode == 1
    assert err.splitlines()[-1] == f"error: interrupted; {OLD_IMAGE} serves again"


def test_a_released_version_is_deployed_by_digest_once_its_origin_is_proved(cloud):
    digest = "sha256:" + "ef" * 32
    cloud.replies["docker buildx imagetools inspect"] = (
        0,
        f"Name:      x\nMediaType: y\nDigest:    {digest}\n\nManifests:\n  Digest: z\n",
    )
    assert cloud.deploy(TAG="v1.2.3")[0] == 0
    name = "ghcr.io/your-github-name/wine-classifier"
    assert cloud.told()[:2] == [
        f"docker buildx imagetools inspect {name}:1.2.3",
        f"gh attestation verify oci://{name}@{digest} "
        "--repo your-github-name/wine-classifier",
    ]
    cloud.replies["gh attestation"] = (1, "no attestation")
    before = len(cloud.told())
    assert cloud.deploy(TAG="v1.2.3")[0] == 1
    assert len(cloud.told()) == before + 2


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (
            {"TAG": "main"},
            "TAG: expected a released version as v1.2.3, received 'main'",
        ),
        ({"IMAGE": "x:1"}, "IMAGE: expected NAME@sha256:DIGEST, since a tag can be"),
        (
            {"IMAGE": IMAGE, "SERVICE_HOST": ""},
            "expected in the environment, and not there:\n  SERVICE_HOST: the name",
        ),
    ],
)
def test_what_cannot_be_deployed_is_refused_before_anything_is_run(
    cloud, given, reason
):
    code, _, err = cloud.deploy(**given)
    assert code == 1
    assert err.startswith(f"error: {reason}")
    assert cloud.told() == []


def test_a_missing_program_is_named(cloud):
    (cloud.home / "bin" / "kubectl").unlink()
    running = cloud.start(IMAGE=IMAGE, PATH=str(cloud.home / "bin"))
    _, err = running.communicate(timeout=30)
    assert err.startswith("error: kubectl: not installed; this target's README.md")


class GitHub(BaseHTTPRequestHandler):
    """Gives a job's token, to who shows the job's own secret."""

    def do_GET(self) -> None:
        asked = self.headers["Authorization"] == "bearer of the job"
        self.send_response(200 if asked else 403)
        self.end_headers()
        audience = parse_qs(urlsplit(self.path).query)["audience"][0]
        self.wfile.write(json.dumps({"value": f"token for {audience}"}).encode())

    def log_message(self, *_: object) -> None:
        pass


def test_kubectl_is_given_the_workflow_s_own_token(rendered, tmp_path):
    program = rendered["kubernetes"] / "deploy" / "kubernetes" / "github.py"
    place = tmp_path / "kubeconfig"
    given = {"KUBE_SERVER": "https://k", "KUBE_CA": "Q0E=", "KUBECONFIG": str(place)}
    subprocess.run([sys.executable, str(program)], env=given, check=True)
    assert place.stat().st_mode & 0o077 == 0
    written = json.loads(place.read_text())
    assert written["clusters"][0]["cluster"]["server"] == "https://k"
    sign_in = written["users"][0]["user"]["exec"]
    with HTTPServer(("127.0.0.1", 0), GitHub) as server:
        url = f"http://127.0.0.1:{server.server_port}/?a=b"
        Thread(target=server.handle_request, daemon=True).start()
        done = subprocess.run(
            [sign_in["command"], *sign_in["args"]],
            env={
                "ACTIONS_ID_TOKEN_REQUEST_URL": url,
                "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "of the job",
            },
            capture_output=True,
            text=True,
            check=True,
        )
    assert json.loads(done.stdout) == {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": "token for kubernetes"},
    }
    bare = subprocess.run([sys.executable, str(program)], env={}, capture_output=True)
    assert b"error: KUBE_SERVER: expected in the environment" in bare.stderr
