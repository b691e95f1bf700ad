"""Each platform's manifests by its own schema, model or emulator."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import UV
from platforms import IMAGE, of_pod


def test_a_key_with_quotes_stays_one_text(finished):
    group = finished["azure-container-instances"].read("container-group.yaml")
    given = group["properties"]["containers"][0]["properties"]["environmentVariables"]
    secret = next(each for each in given if each["name"] == "ML_API_KEYS")
    assert secret["secureValue"] == 'one": {two'


def test_cloud_run_s_own_description_knows_every_field(finished, tmp_path):
    described = google_description(tmp_path)
    service = finished["cloud-run"].read("service.yaml")
    assert unknown(described, "Service", service) == []
    probe = service["spec"]["template"]["spec"]["containers"][0]["startupProbe"]
    assert probe["timeoutSeconds"] < probe["periodSeconds"]
    service["spec"]["template"]["spec"]["containerConcurency"] = 1
    service["spec"]["template"]["spec"]["containers"][0]["ports"][0][
        "containerPort"
    ] = "x"
    assert unknown(described, "Service", service) == [
        "$.spec.template.spec.containers[0].ports[0].containerPort: not integer",
        "$.spec.template.spec.containerConcurency: unknown",
    ]


def google_description(folder: Path) -> dict[str, Any]:
    """The API as Google's client carries it; 100 MB that nothing else here needs."""
    package = unpacked("google-api-python-client==2.202.0", folder)
    file = package / "googleapiclient/discovery_cache/documents/run.v1.json"
    schemas: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["schemas"]
    return schemas


def unknown(
    schemas: dict[str, Any], name: str, value: dict[str, Any], path: str = "$"
) -> list[str]:
    """What the description lacks, has of another type, or says is unsupported."""
    problems = []
    for key, each in value.items():
        here = f"{path}.{key}"
        field = schemas[name]["properties"].get(key)
        if field is None:
            problems.append(f"{here}: unknown")
        elif "not supported by cloud run" in field.get("description", "").lower():
            problems.append(f"{here}: not supported")
        else:
            problems += misfits(schemas, field, each, here)
    return problems


TYPES = {"integer": int, "string": str, "boolean": bool}


def misfits(
    schemas: dict[str, Any], field: dict[str, Any], value: Any, path: str
) -> list[str]:
    if "$ref" in field:
        return unknown(schemas, field["$ref"], value, path)
    if field["type"] == "array":
        found = [
            misfits(schemas, field["items"], each, f"{path}[{i}]")
            for i, each in enumerate(value)
        ]
        return [each for some in found for each in some]
    if field["type"] == "object":
        inner = field["additionalProperties"]
        found = [
            misfits(schemas, inner, each, f"{path}.{k}") for k, each in value.items()
        ]
        return [each for some in found for each in some]
    fits = type(value) is TYPES[field["type"]]
    return [] if fits else [f"{path}: not {field['type']}"]


def test_cfn_lint_finds_nothing(finished, tmp_path):
    folder = finished["fargate"].manifests
    text = (folder / "stack.yaml").read_text(encoding="utf-8")
    broken = tmp_path / "broken.yaml"
    broken.write_text(text.replace("StopTimeout", "StopTimeOut"), encoding="utf-8")
    stacks = [folder / "stack.yaml", folder / "setup.yaml", broken]
    found = complaints("cfn-lint", "--format=parseable", *map(str, stacks))
    assert "StopTimeOut" in found
    assert [each for each in found.splitlines() if str(broken) not in each] == []


MOTO = """
import json, sys, boto3
from pathlib import Path
from moto import mock_aws

folder = Path(sys.argv[1])
region = "eu-west-1"
given = json.loads((folder / "parameters.json").read_text())["Parameters"]


def create(cloud, name, file, parameters):
    cloud.create_stack(
        StackName=name,
        TemplateBody=(folder / file).read_text(),
        Parameters=[
            {"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()
        ],
        Capabilities=["CAPABILITY_IAM"],
    )
    return cloud.describe_stacks(StackName=name)["Stacks"][0]


with mock_aws():
    ec2, cloud = boto3.client("ec2", region), boto3.client("cloudformation", region)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    zones = ["eu-west-1a", "eu-west-1b"] * 2
    subnets = [
        ec2.create_subnet(
            VpcId=vpc, CidrBlock=f"10.0.{i}.0/24", AvailabilityZone=zone
        )["Subnet"]["SubnetId"]
        for i, zone in enumerate(zones)
    ]
    certificate = boto3.client("acm", region).request_certificate(
        DomainName="wine.example.org"
    )["CertificateArn"]
    given |= {
        "Vpc": vpc,
        "PublicSubnets": ",".join(subnets[:2]),
        "PrivateSubnets": ",".join(subnets[2:]),
        "Certificate": certificate,
    }
    stack = create(cloud, "wine-classifier", "stack.yaml", given)
    subject = "repo:ada/wine-classifier:environment:production"
    setup = create(
        cloud, "setup", "setup.yaml", {"Name": "wine-classifier", "Subject": subject}
    )
    ecs, elb = boto3.client("ecs", region), boto3.client("elbv2", region)
    cluster = ecs.list_clusters()["clusterArns"][0]
    services = ecs.list_services(cluster=cluster)["serviceArns"]
    service = ecs.describe_services(cluster=cluster, services=services)["services"][0]
    task = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])
    print(json.dumps({
        "stack": stack["StackStatus"],
        "setup": setup["StackStatus"],
        "outputs": {x["OutputKey"]: x["OutputValue"] for x in stack["Outputs"]},
        "container": task["taskDefinition"]["containerDefinitions"][0],
        "targets": elb.describe_target_groups()["TargetGroups"][0],
    }))
"""


def test_a_stack_is_really_created_in_an_emulated_cloud(finished):
    """moto skips the rule from the balancer to the tasks, and the autoscaler."""
    folder = finished["fargate"].manifests
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", MOTO, str(folder)],
        env={"PATH": "", **keys},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout.splitlines()[-1])
    assert made["stack"] == made["setup"] == "CREATE_COMPLETE"
    assert made["outputs"]["Address"] == "https://wine.example.org"
    digest = IMAGE.partition("@")[2]
    assert made["container"]["image"].endswith(f"/wine-classifier@{digest}")
    assert made["container"]["portMappings"][0]["containerPort"] == 8080
    assert made["targets"]["HealthCheckPath"] == "/v2/health/ready"


def test_azure_s_model_has_every_field(finished):
    group = finished["azure-container-instances"].read("container-group.yaml")
    from azure.mgmt.containerinstance import models

    assert strict(models, "ContainerGroup", group, ("apiVersion", "type")) == []
    container = group["properties"]["containers"][0]["properties"]
    container["imag"] = container.pop("image")
    assert strict(models, "ContainerGroup", group, ("apiVersion", "type")) == [
        "$.properties.containers[0].properties.imag: unknown",
        "$.properties.containers[0].properties.image: required",
    ]


def strict(
    models: Any, name: str, value: Any, more: tuple[str, ...] = (), path: str = "$"
) -> list[str]:
    """Fields that the SDK's model lacks, and required ones that are not there."""
    model = getattr(models, name)
    known = {each["key"]: each["type"] for each in model._attribute_map.values()}
    tree: dict[str, Any] = {key: {} for key in more}
    for key in known:
        branch = tree
        for part in key.split("."):
            branch = branch.setdefault(part, {})
    problems = strangers(value, tree, path)
    for key, kind in known.items():
        inner, where = at(value, key), f"{path}.{key}"
        named = re.sub(r"[\[\]{}]", "", kind)
        if inner is None or not hasattr(getattr(models, named, None), "_attribute_map"):
            continue
        each = {where: inner}
        if kind.startswith("["):
            each = {f"{where}[{i}]": one for i, one in enumerate(inner)}
        elif kind.startswith("{"):
            each = {f"{where}.{k}": one for k, one in inner.items()}
        for place, one in each.items():
            problems += strict(models, named, one, path=place)
    for attribute, rules in getattr(model, "_validation", {}).items():
        key = model._attribute_map[attribute]["key"]
        if rules.get("required") and at(value, key) is None:
            problems.append(f"{path}.{key}: required")
    return problems


def strangers(value: Any, tree: dict[str, Any], path: str) -> list[str]:
    problems = []
    for key, each in value.items():
        if key not in tree:
            problems.append(f"{path}.{key}: unknown")
        elif tree[key] and isinstance(each, dict):
            problems += strangers(each, tree[key], f"{path}.{key}")
    return problems


def at(value: Any, key: str) -> Any:
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


@pytest.mark.parametrize(
    ("target", "file", "schema"),
    [
        ("heroku", "heroku.yml", "heroku"),
        ("heroku", "app.json", "heroku-app"),
        ("openfaas", "stack.yml", "openfaas"),
    ],
)
def test_the_schema_of_the_platform_s_documentation_is_kept(
    finished, target, file, schema
):
    import jsonschema

    rules = json.loads(
        (Path(__file__).parent / "schemas" / f"{schema}.json").read_text()
    )
    document = finished[target].read(file)
    jsonschema.validate(document, rules)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "relase": {}}, rules)


@pytest.fixture(scope="session")
def built(finished) -> dict[str, list[dict[str, Any]]]:
    """What `kustomize build` makes of each folder that is meant to be applied."""
    folder, kubectl = finished["kubernetes"].manifests, "kubectl"
    made = {}
    for each in ("base", "kserve", "setup"):
        command = [kubectl, "kustomize", str(folder / each)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("needs kubectl, for `kubectl kustomize`")
        assert done.returncode == 0, done.stderr
        made[each] = list(yaml.safe_load_all(done.stdout))
    return made


def test_kustomize_builds_what_kubernetes_takes(built):
    import kubernetes_validate

    for each in built["base"] + built["setup"]:
        kubernetes_validate.validate(each, "1.34", strict=True)
    kinds = sorted(each["kind"] for each in built["base"])
    assert kinds == [
        "Deployment",
        "HorizontalPodAutoscaler",
        "Ingress",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
    ]
    deployment = next(each for each in built["base"] if each["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, "1.34", strict=True)


def test_every_selector_finds_the_pods_and_no_others(built):
    label = {"app.kubernetes.io/name": "wine-classifier"}
    by_kind = {each["kind"]: each["spec"] for each in built["base"] if "spec" in each}
    pods = by_kind["Deployment"]["template"]["metadata"]["labels"]
    assert pods == label
    assert by_kind["Deployment"]["selector"]["matchLabels"] == label
    assert by_kind["Service"]["selector"] == label
    assert by_kind["PodDisruptionBudget"]["selector"]["matchLabels"] == label
    assert by_kind["NetworkPolicy"]["podSelector"]["matchLabels"] == label
    scaled = by_kind["HorizontalPodAutoscaler"]["scaleTargetRef"]["name"]
    assert scaled == "wine-classifier"


def test_kserve_takes_the_overlay_with_the_same_rules_for_the_pod(
    finished, built, kserve_fields
):
    import kubernetes_validate

    services = [each for each in built["kserve"] if each["kind"] == "InferenceService"]
    assert len(services) == 1
    predictor = services[0]["spec"]["predictor"]
    assert set(predictor) - kserve_fields["predictor_spec"] == set()
    assert "protocolVersion" not in json.dumps(services[0])
    own = kserve_fields["component_extension_spec"]
    assert {"minReplicas", "deploymentStrategy"} <= own & set(predictor)
    pod = {name: each for name, each in predictor.items() if name not in own}
    manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "x"},
        "spec": pod,
    }
    kubernetes_validate.validate(manifest, "1.34", strict=True)
    kserve, plain = of_pod(pod), finished["kubernetes"].contract()
    assert kserve.variables.pop("PROTOCOL") == "v2"
    assert kserve == plain


@pytest.fixture(scope="session")
def kserve_fields(tmp_path_factory) -> dict[str, set[str]]:
    """The names in two of KServe's models; importing the package needs a lot more."""
    folder = unpacked("kserve==0.21.0", tmp_path_factory.mktemp("kserve"))
    found = {}
    for name in ("predictor_spec", "component_extension_spec"):
        text = (folder / f"kserve/models/v1beta1_{name}.py").read_text(encoding="utf-8")
        (listed,) = re.findall(r"attribute_map = (\{.*?\})", text, re.DOTALL)
        found[name] = set(ast.literal_eval(listed).values())
    return found


def unpacked(package: str, folder: Path) -> Path:
    """A package without what it needs, for the data that it carries."""
    command = [UV, "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    subprocess.run([*command, package], check=True)
    return folder


def complaints(program: str, *words: str) -> str:
    """What a tool of this environment says."""
    place = shutil.which(program, path=str(Path(sys.executable).parent))
    assert place, f"{program} is not installed: make setup"
    done = subprocess.run([place, *words], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr
