"""What a deployment runs, in which order, and what it undoes when the proof fails."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest
from cloud import ADDRESSES, PROGRAMS, SMOKE, STAND_IN, Cloud, deployed
from platforms import IMAGE, OLD_IMAGE, PLATFORMS, TARGETS

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the stand-ins are scripts with a first line"
)


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
    "cloud", ["cloud-run", "heroku", "openfaas", "kubernetes"], indirect=True
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


def test_kubernetes_goes_back_to_the_revision_that_was_noted_and_no_further(cloud):
    """Also when nothing was changed yet, where `undo` alone goes back one more."""
    cloud.replies["kubectl apply"] = (1, "no permission")
    assert cloud.deploy()[0] == 1
    name = "wine-classifier"
    assert cloud.told()[2:] == [
        f"kubectl rollout undo deployment/{name} --to-revision 7 --namespace {name}",
        f"kubectl rollout status deployment/{name} --namespace {name} --timeout 300s",
    ]


def test_kserve_is_deployed_by_the_steps_that_the_guide_gives(cloud):
    other = shutil.copytree(cloud.project, cloud.home / "project")
    folder = other / "deploy" / "kubernetes"
    guide = (folder / "README.md").read_text(encoding="utf-8")
    (given,) = re.findall(r"^```toml\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    own = (folder / "steps.toml").read_text(encoding="utf-8")
    kept = own[own.index("[needs]") : own.index("[previous]")]
    commands, tables, questions = given.partition("[previous]")
    (folder / "steps.toml").write_text(commands + kept + tables + questions)
    predictor = {"spec": {"predictor": {"containers": [{"image": OLD_IMAGE}]}}}
    said = json.dumps(predictor | {"status": {"url": "https://wine.kserve"}})
    cloud.replies["kubectl get inferenceservice"] = (0, said)
    kserve = replace(cloud, project=other)
    code, out, err = kserve.deploy()
    assert (code, out) == (0, "https://wine.kserve"), err
    assert kserve.ran("deploy")
    applied = [each for each in cloud.told() if each.startswith("kubectl apply")]
    assert all(each.endswith("/kserve") for each in applied)
    (cloud.home / "broken").touch()
    assert f"{OLD_IMAGE} serves again" in kserve.deploy()[2]
    assert f"containers[0].image}}={OLD_IMAGE}" in cloud.told()[-2]


@pytest.mark.parametrize("said", ["<html>", "[]", '"no object"', '{"spec": ["a"]}'])
def test_an_answer_that_cannot_be_read_undoes_what_was_done(cloud, said):
    cloud.replies["kubectl get ingress"] = (0, said)
    code, _, err = cloud.deploy()
    assert code == 1
    assert "Traceback" not in err
    last = err.splitlines()[-1]
    assert last.startswith("error: kubectl get ingress ")
    assert last.endswith(f"; {OLD_IMAGE} serves again")
    assert cloud.ran("rollback")


@pytest.mark.parametrize("cloud", ["fargate"], indirect=True)
def test_a_list_of_something_else_undoes_what_was_done(cloud):
    asked = "aws cloudformation describe-stacks"
    said = json.loads(cloud.replies[asked][1])
    said["Stacks"][0]["Outputs"] = ["none yet"]
    cloud.replies[asked] = (0, json.dumps(said))
    _, _, err = cloud.deploy()
    expected = f"found none; {deployed('fargate')} serves again"
    assert err.splitlines()[-1].endswith(expected)
    assert cloud.told()[-1].startswith("aws cloudformation deploy")


def test_a_fault_that_nobody_thought_of_undoes_what_was_done(cloud):
    steps = "deploy/kubernetes/steps.toml"
    text = (cloud.project / steps).read_text()
    other = shutil.copytree(cloud.project, cloud.home / "project")
    (other / steps).write_text(text.replace('pick = "spec.rules', 'peck = "spec.rules'))
    code, _, err = replace(cloud, project=other).deploy()
    assert code == 1
    assert err.splitlines()[-1] == f"error: KeyError: 'pick'; {OLD_IMAGE} serves again"


def test_a_way_back_that_fails_hides_neither_reason(cloud):
    (cloud.home / "broken").touch()
    cloud.replies["kubectl rollout undo"] = (1, "Forbidden")
    code, _, err = cloud.deploy()
    assert code == 1
    last = err.splitlines()[-1]
    smoked = f" -m wine_classifier smoke {ADDRESSES['kubernetes']}: exit code 1. ; "
    assert last.startswith("error: ")
    assert f"{smoked}going back to {OLD_IMAGE} failed too: kubectl rollout undo" in last
    assert last.endswith(
        "nobody knows what serves now, look with: kubectl get deployment "
        "wine-classifier --namespace wine-classifier --output json"
    )


def test_a_cloud_that_cannot_be_asked_is_not_taken_for_an_empty_one(cloud):
    cloud.replies["kubectl get deployment"] = (1, "Unauthorized")
    code, _, err = cloud.deploy()
    assert code == 1
    assert "Unauthorized" in err
    assert len(cloud.told()) == 1


@pytest.mark.parametrize("cloud", ["openfaas"], indirect=True)
def test_nor_is_one_whose_address_has_a_404_in_it(cloud):
    cloud.replies["faas-cli describe"] = (1, "unauthorized access")
    gateway = "https://faas.example.org:40443"
    code, _, err = cloud.deploy(IMAGE=IMAGE, OPENFAAS_URL=gateway)
    assert code == 1
    assert "unauthorized access" in err
    assert len(cloud.told()) == 1


def test_a_cancelled_deployment_goes_back(cloud):
    cloud.replies["kubectl rollout status"] = ("wait", "waiting")
    running = cloud.start(IMAGE=IMAGE)
    cloud.wait_for("rollout status")
    del cloud.replies["kubectl rollout status"]
    (cloud.home / "replies.json").write_text(json.dumps(cloud.replies))
    running.send_signal(signal.SIGTERM)
    _, err = running.communicate(timeout=30)
    assert running.returncode == 1
    assert err.splitlines()[-1] == f"error: interrupted; {OLD_IMAGE} serves again"


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_the_way_back_is_not_interrupted(cloud, sent):
    (cloud.home / "broken").touch()
    cloud.replies["kubectl rollout undo"] = ("wait until told", "waiting")
    running = cloud.start(IMAGE=IMAGE)
    cloud.wait_for("rollout undo")
    running.send_signal(sent)
    (cloud.home / "go on").touch()
    _, err = running.communicate(timeout=30)
    assert running.returncode == 1
    assert err.splitlines()[-1].endswith(f"; {OLD_IMAGE} serves again")
    assert cloud.ran("rollback")


@pytest.mark.parametrize("cloud", ["cloud-run"], indirect=True)
def test_nothing_is_deployed_while_revisions_share_the_traffic(cloud):
    shares = [
        {"revisionName": "wine-classifier-r1", "percent": 95},
        {"revisionName": "wine-classifier-r2", "percent": 5},
        {"revisionName": "wine-classifier-r2", "tag": "candidate", "url": "https://x"},
    ]
    said = json.dumps({"status": {"traffic": shares}})
    cloud.replies["gcloud run services describe"] = (0, said)
    code, _, err = cloud.deploy()
    assert code == 1
    assert err.splitlines()[-1] == (
        "error: traffic is split: wine-classifier-r1 95 %, wine-classifier-r2 5 %; "
        "nothing was changed. Give one of them all of it first: gcloud run services "
        "update-traffic wine-classifier --to-revisions REVISION=100 "
        "--project wine-project --region europe-west1"
    )
    assert len(cloud.told()) == 1


@pytest.mark.parametrize("cloud", TARGETS, indirect=True)
def test_a_missing_key_for_the_smoke_test_is_said_before_anything_is_run(cloud):
    code, _, err = cloud.deploy(TAG="v1.2.3", SMOKE_API_KEY="")
    assert code == 1
    assert "\n  SMOKE_API_KEY: one bearer key" in err
    assert cloud.told() == []


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
        "status": {"token": "token for https://k"},
    }
    bare = subprocess.run([sys.executable, str(program)], env={}, capture_output=True)
    assert b"error: KUBE_SERVER: expected in the environment" in bare.stderr
