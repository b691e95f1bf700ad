"""What each platform does to a container, and what a deployment to it is told.

The facts that no manifest holds are data here; what a manifest says is read from it.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from conftest import Rendered

from ml_service_template import CHOICES

# What a deployment needs, and `make manifests` does not.
SECRETS = {"SMOKE_API_KEY": "one", "HEROKU_API_KEY": "secret"}
IMAGE = "ghcr.io/analytical-engines/wine-classifier@sha256:" + "ab" * 32
OLD_IMAGE = "ghcr.io/analytical-engines/wine-classifier@sha256:" + "cd" * 32


TARGETS = [each for each in CHOICES["deploy"] if each != "none"]


@dataclass(frozen=True)
class Contract:
    """How a platform runs a container, as far as the container can notice."""

    variables: dict[str, str]
    port: int
    live: str
    ready: str
    grace_s: float
    memory_mib: int
    start_s: float
    user: str | None = None  # None leaves the image's own
    read_only: bool = False
    writable: tuple[str, ...] = ()
    key_file: str | None = None  # where the file of bearer keys is


@dataclass(frozen=True)
class Platform:
    """environment: what a deployment is told. start_s: the longest start it allows."""

    environment: dict[str, str]
    manifest: str
    start_s: float
    grace_s: float  # the longest it can be asked for
    replies: dict[str, Any] = field(default_factory=dict)


def variables(container: Mapping[str, Any], key: str = "name") -> dict[str, str]:
    return {
        each[key]: str(each["value"])
        for each in container.get("env") or container["environmentVariables"]
        if "value" in each
    }


def cloud_run(_spec: Mapping[str, Any], service: dict[str, Any]) -> Contract:
    pod = service["spec"]["template"]["spec"]
    container = pod["containers"][0]
    startup = container["startupProbe"]
    port = container["ports"][0]["containerPort"]
    keys = pod["volumes"][0]["secret"]["items"][0]["path"]
    return Contract(
        variables=variables(container) | {"PORT": str(port)},  # Cloud Run sets it
        port=port,
        live=container["livenessProbe"]["httpGet"]["path"],
        ready=startup["httpGet"]["path"],
        grace_s=10,
        memory_mib=int(container["resources"]["limits"]["memory"].removesuffix("Mi")),
        start_s=startup["periodSeconds"] * startup["failureThreshold"],
        key_file=f"{container['volumeMounts'][0]['mountPath']}/{keys}",
    )


def fargate(_spec: Mapping[str, Any], stack: dict[str, Any]) -> Contract:
    task = stack["Resources"]["Task"]["Properties"]
    container = task["ContainerDefinitions"][0]
    given = {each["Name"]: str(each["Value"]) for each in container["Environment"]}
    command = container["HealthCheck"]["Command"][-1]
    balancer = stack["Resources"]["Targets"]["Properties"]
    port = int(container["PortMappings"][0]["ContainerPort"])
    assert int(balancer["Port"]) == port
    live = command.split(f"http://127.0.0.1:{port}")[1].split("'")[0]
    return Contract(
        variables=given | {"ML_API_KEYS": "k"},
        port=port,
        live=live,
        ready=balancer["HealthCheckPath"],
        grace_s=float(container["StopTimeout"]),
        memory_mib=int(task["Memory"]),
        start_s=float(container["HealthCheck"]["StartPeriod"]),
        user=container["User"],
        read_only=container["ReadonlyRootFilesystem"],
    )


def azure(_spec: Mapping[str, Any], group: dict[str, Any]) -> Contract:
    container = group["properties"]["containers"][0]["properties"]
    port = container["ports"][0]["port"]
    assert group["properties"]["ipAddress"]["ports"][0]["port"] == port
    for probe in ("livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["port"] == port
    user = container["securityContext"]
    return Contract(
        variables=variables(container) | {"ML_API_KEYS": "k"},
        port=port,
        live=container["livenessProbe"]["httpGet"]["path"],
        ready=container["readinessProbe"]["httpGet"]["path"],
        grace_s=10,
        memory_mib=int(container["resources"]["requests"]["memoryInGB"] * 1024),
        start_s=120,
        user=f"{user['runAsUser']}:{user['runAsGroup']}",
        writable=(container["volumeMounts"][0]["mountPath"],),
    )


def heroku(spec: Mapping[str, Any], manifest: dict[str, Any]) -> Contract:
    """Its own port, any user, thirty seconds; health is that the port is bound."""
    return Contract(
        variables=manifest["setup"]["config"] | {"PORT": "28123", "ML_API_KEYS": "k"},
        port=28123,
        live=spec["live"],
        ready=spec["ready"],
        grace_s=30,
        memory_mib=1024,
        start_s=60,
        user="47321:47321",
    )


def openfaas(_spec: Mapping[str, Any], stack: dict[str, Any]) -> Contract:
    """8080, /_/health from the first second on, another user, secrets as files."""
    (function,) = stack["functions"].values()
    return Contract(
        variables=function["environment"],
        port=8080,
        live=function["annotations"]["com.openfaas.health.http.path"],
        ready=function["annotations"]["com.openfaas.ready.http.path"],
        grace_s=30,
        memory_mib=int(function["limits"]["memory"].removesuffix("Mi")),
        start_s=120,
        user="12000:12000",
        read_only=function["readonly_root_filesystem"],
        writable=("/tmp",),
        key_file=f"/var/openfaas/secrets/{function['secrets'][0]}",
    )


def kubernetes(_spec: Mapping[str, Any], deployment: dict[str, Any]) -> Contract:
    return of_pod(deployment["spec"]["template"]["spec"])


def of_pod(pod: dict[str, Any]) -> Contract:
    container = pod["containers"][0]
    startup = container.get(
        "startupProbe", {"periodSeconds": 2, "failureThreshold": 60}
    )
    user = pod["securityContext"]
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    return Contract(
        variables=variables(container),
        port=container["ports"][0]["containerPort"],
        live=container["livenessProbe"]["httpGet"]["path"],
        ready=container["readinessProbe"]["httpGet"]["path"],
        grace_s=pod["terminationGracePeriodSeconds"],
        memory_mib=int(container["resources"]["limits"]["memory"].removesuffix("Mi")),
        start_s=startup["periodSeconds"] * startup["failureThreshold"],
        user=f"{user['runAsUser']}:{user['runAsGroup']}",
        read_only=container["securityContext"]["readOnlyRootFilesystem"],
        writable=(mounts["tmp"],),
        key_file=f"{mounts['keys']}/api-keys",
    )


READERS = {
    "cloud-run": cloud_run,
    "fargate": fargate,
    "azure-container-instances": azure,
    "heroku": heroku,
    "openfaas": openfaas,
    "kubernetes": kubernetes,
}

AWS = "arn:aws"
PLATFORMS = {
    "cloud-run": Platform(
        environment={
            "GCP_PROJECT": "wine-project",
            "GCP_REGION": "europe-west1",
            "GCP_RUNTIME_ACCOUNT": "run@wine-project.iam.gserviceaccount.com",
        },
        manifest="service.yaml",
        start_s=240,
        grace_s=10,
        replies={
            "gcloud run services describe": {
                "status": {
                    "traffic": [
                        {"revisionName": "wine-classifier-r1", "percent": 100},
                        {"tag": "candidate", "url": "https://candidate---wine.a.run"},
                    ]
                }
            }
        },
    ),
    "fargate": Platform(
        environment={
            "AWS_ACCOUNT_ID": "123456789012",
            "AWS_REGION": "eu-west-1",
            "AWS_BUILD_ROLE": f"{AWS}:iam::123456789012:role/builder",
            "VPC_ID": "vpc-1",
            "PUBLIC_SUBNETS": "subnet-1,subnet-2",
            "PRIVATE_SUBNETS": "subnet-3,subnet-4",
            "CERTIFICATE_ARN": f"{AWS}:acm:eu-west-1:123456789012:certificate/1",
            "SERVICE_HOST": "wine.example.org",
            "API_KEYS_ARN": f"{AWS}:secretsmanager:eu-west-1:123456789012:secret:keys",
        },
        manifest="stack.yaml",
        start_s=300,
        grace_s=120,
        replies={
            "aws cloudformation describe-stacks": {
                "Stacks": [
                    {
                        "Parameters": [
                            {"ParameterKey": "Image", "ParameterValue": "IMAGE"}
                        ],
                        "Outputs": [
                            {
                                "OutputKey": "Address",
                                "OutputValue": "https://wine.example.org",
                            }
                        ],
                    }
                ]
            }
        },
    ),
    "azure-container-instances": Platform(
        environment={
            "AZURE_RESOURCE_GROUP": "wine",
            "AZURE_LOCATION": "westeurope",
            "AZURE_REGISTRY": "winery",
            "AZURE_IDENTITY": "/subscriptions/0/resourceGroups/wine/providers/"
            "Microsoft.ManagedIdentity/userAssignedIdentities/wine",
            "ML_API_KEYS": 'one": {two',
        },
        manifest="container-group.yaml",
        start_s=120,
        grace_s=10,
        replies={
            "az container show": {
                "containers": [{"image": "IMAGE"}],
                "ipAddress": {"fqdn": "wine.westeurope.azurecontainer.io"},
            }
        },
    ),
    "heroku": Platform(
        environment={"HEROKU_APP": "wine"},
        manifest="heroku.yml",
        start_s=60,
        grace_s=30,
        replies={
            "heroku releases --json": [
                {"version": 9, "status": "failed", "slug": {"id": "9"}},
                {"version": 8, "status": "succeeded", "slug": None},
                {"version": 7, "status": "succeeded", "slug": {"id": "7"}},
            ],
            "heroku apps:info": {"app": {"web_url": "https://wine.herokuapp.com/"}},
        },
    ),
    "openfaas": Platform(
        environment={"OPENFAAS_URL": "https://faas.example.org"},
        manifest="stack.yml",
        start_s=120,
        grace_s=30,
        replies={"faas-cli describe": "Name:  wine-classifier\nImage:  IMAGE\n"},
    ),
    "kubernetes": Platform(
        environment={"SERVICE_HOST": "wine.example.org"},
        manifest="base/deployment.yaml",
        start_s=600,
        grace_s=3600,
        replies={
            "kubectl get deployment": {
                "metadata": {"annotations": {"deployment.kubernetes.io/revision": "7"}},
                "spec": {"template": {"spec": {"containers": [{"image": "IMAGE"}]}}},
            },
            "kubectl get ingress": {"spec": {"rules": [{"host": "wine.example.org"}]}},
        },
    ),
}


@dataclass(frozen=True)
class Finished:
    """A project rendered for a target, and its manifests as they would be applied."""

    target: str
    project: Rendered
    manifests: Path

    @property
    def spec(self) -> dict[str, Any]:
        return tomllib.loads(self.project.text(f"deploy/{self.target}/spec.toml"))

    def read(self, name: str) -> Any:
        return parsed(self.manifests / name)

    def contract(self) -> Contract:
        manifest = self.read(PLATFORMS[self.target].manifest)
        if self.target == "fargate":
            manifest = resolved(manifest, self.read("parameters.json")["Parameters"])
        return READERS[self.target](self.spec, manifest)


def parsed(file: Path) -> Any:
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".json":
        return json.loads(text)
    return yaml.load(text, CloudFormationLoader)


class CloudFormationLoader(yaml.SafeLoader):
    """`!Ref X` becomes {"Ref": "X"}; other short forms likewise."""


def short_form(loader: yaml.Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    return {name: loader.construct_scalar(node)}


CloudFormationLoader.add_multi_constructor("!", short_form)


def resolved(document: Any, parameters: Mapping[str, str]) -> Any:
    """References to parameters replaced by their values, as CloudFormation does."""
    if isinstance(document, list):
        return [resolved(each, parameters) for each in document]
    if not isinstance(document, dict):
        return document
    if document.keys() == {"Ref"}:
        return parameters.get(document["Ref"], document)
    if document.keys() == {"Sub"}:
        text = document["Sub"]
        for name, value in parameters.items():
            text = text.replace(f"${{{name}}}", value)
        return text
    return {name: resolved(each, parameters) for name, each in document.items()}


def finish(project: Rendered, target: str, folder: Path) -> Finished:
    """What `make manifests` leaves, for a deployment that never happens."""
    done = project.run(
        sys.executable,
        "deploy/deploy.py",
        "--write",
        str(folder),
        IMAGE=IMAGE,
        **PLATFORMS[target].environment,
    )
    assert done.returncode == 0, done.stderr
    return Finished(target, project, folder)
