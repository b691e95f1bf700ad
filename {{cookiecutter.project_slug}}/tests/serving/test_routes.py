"""What the documented routes say of the model, and in which form they refuse."""

import pytest
from asking import (
    V1,
    Asked,
    asking,
)

from {{cookiecutter.__package_name}} import (
    MODEL_NAME,
)
from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.serving.openapi import (
    finish,
)
from {{cookiecutter.__package_name}}.settings import (
    Settings,
)
from {{cookiecutter.__package_name}}.training.dataset import (
    Contract,
)

V2_MODEL = f"/v2/models/{MODEL_NAME}"
V1_MODEL = f"/v1/models/{MODEL_NAME}"
OTHER = f"not-{MODEL_NAME}"


def test_metadata_tells_the_signature(ask_classes: Asked) -> None:
    version = ask_classes.edge.service.version
    for path in (V2_MODEL, f"{V2_MODEL}/versions/{version}"):
        told = ask_classes.client.get(path).json()
        assert told["name"] == MODEL_NAME
        assert told["versions"] == [version]
        assert told["inputs"] == [
            {"name": "features", "datatype": "FP64", "shape": [-1, 2]}
        ]
        assert told["outputs"] == [
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP64", "shape": [-1, 3]},
        ]
        assert told["parameters"]["classes"] == ["reed", "rush", "sedge"]
        assert told["parameters"]["features"][0]["name"] == "length"
        assert told["parameters"]["features"][0]["unit"] == "cm"
        assert told["parameters"]["metrics"] == {"accuracy": 1.0}


def test_metadata_of_a_model_of_numbers_has_one_output(ask_numbers: Asked) -> None:
    told = ask_numbers.client.get(V2_MODEL).json()
    assert told["outputs"] == [{"name": "value", "datatype": "FP64", "shape": [-1]}]


def test_metadata_tells_all_that_the_page_shows(
    ask: Asked, artifact: Artifact, contract: Contract
) -> None:
    manifest = artifact.manifest
    told = ask.client.get(V2_MODEL).json()["parameters"]
    assert told["description"]
    signature = manifest.signature
    assert told["task"] == signature.task
    assert (told["target_range"] is None) == (signature.task == "classification")
    wanted = min(contract.examples, manifest.evaluation.rows)
    assert len(signature.examples) == wanted
    assert told["examples"] == [
        {"values": list(each.values), "target": each.target}
        for each in signature.examples
    ]
    card = told["card"]
    assert card["baseline"] == manifest.baseline.metrics
    assert card["judged_rows"] == manifest.evaluation.rows
    assert card["train_rows"] == manifest.provenance.train_rows
    assert len(card["confusion"]) == len(signature.classes)
    assert card["data_source"] == "sample.csv"
    assert card["data_sha256"] == manifest.provenance.data_sha256


def test_the_server_tells_its_name_and_what_it_can(ask: Asked) -> None:
    told = ask.client.get("/v2").json()
    assert told["name"] == MODEL_NAME
    assert told["extensions"] == ["binary_tensor_data"]


@pytest.mark.parametrize("path", ["/v2/health/live", "/_/health"])
def test_live_and_its_alias(ask: Asked, path: str) -> None:
    assert ask.client.get(path).json() == {"live": True}


@pytest.mark.parametrize("path", ["/v2/health/ready", "/_/ready"])
def test_ready_and_its_alias(ask: Asked, path: str) -> None:
    assert ask.client.get(path).json() == {"ready": True}


def test_the_model_is_ready_in_its_version(ask: Asked) -> None:
    version = ask.edge.service.version
    for path in (f"{V2_MODEL}/ready", f"{V2_MODEL}/versions/{version}/ready"):
        assert ask.client.get(path).json() == {"name": MODEL_NAME, "ready": True}
    status = ask.client.get(V1_MODEL).json()["model_version_status"][0]
    assert status["version"] == version
    assert status["state"] == "AVAILABLE"


def test_nothing_is_ready_while_draining(artifact: Artifact) -> None:
    with asking(artifact, Settings()) as ask:
        ask.edge.service.drain()
        assert ask.client.get(f"{V2_MODEL}/ready").status_code == 503
        state = ask.client.get(V1_MODEL).json()["model_version_status"][0]["state"]
        assert state == "UNLOADING"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/nowhere", "/nowhere: no such path; see /docs"),
        (f"/v2/models/{OTHER}", f"model: expected '{MODEL_NAME}', received '{OTHER}'"),
        (f"/v1/models/{OTHER}", f"model: expected '{MODEL_NAME}', received '{OTHER}'"),
    ],
)
def test_unknown_paths_and_models_are_not_found(
    ask: Asked, path: str, message: str
) -> None:
    answer = ask.client.get(path)
    assert answer.status_code == 404
    assert answer.json() == {"error": message}


def test_an_unknown_version_is_not_found(ask: Asked) -> None:
    version = ask.edge.service.version
    answer = ask.client.post(f"{V2_MODEL}/versions/7/infer", json={})
    assert answer.status_code == 404
    assert answer.json() == {"error": f"version: expected '{version}', received '7'"}


def test_a_wrong_method_is_told_the_right_one(ask: Asked) -> None:
    versioned = f"{V1_MODEL}/versions/{ask.edge.service.version}"
    for path, right, wrong in (
        (V1, "POST", "GET"),
        ("/v2", "GET", "PUT"),
        (f"{versioned}:predict", "POST", "OPTIONS"),
        (versioned, "GET", "OPTIONS"),
    ):
        answer = ask.client.request(wrong, path)
        assert answer.status_code == 405
        assert answer.headers["allow"] == right
        assert answer.json() == {"error": f"{path}: expected {right}, received {wrong}"}


@pytest.mark.parametrize("keys", ["", "key"])
def test_openapi_says_what_is_refused_and_where_a_key_is_needed(
    artifact: Artifact, keys: str
) -> None:
    with asking(artifact, Settings(api_keys=keys)) as ask:
        for _ in range(2):  # the framework keeps what it described
            described = ask.client.get("/openapi.json").json()
    operations = {
        path: operation
        for path, found in described["paths"].items()
        for operation in found.values()
    }
    assert not any("422" in each["responses"] for each in operations.values())
    assert "400" in operations["/v1/models/{model}:predict"]["responses"]
    guarded = {path for path, each in operations.items() if "security" in each}
    health = {"/v2/health/live", "/v2/health/ready"}
    assert guarded == (set(operations) - health if keys else set())
    schemes = described.get("components", {}).get("securitySchemes", {})
    assert [each["scheme"] for each in schemes.values()] == (["bearer"] if keys else [])


def test_openapi_leaves_what_a_route_of_one_s_own_says() -> None:
    theirs = {"422": {"description": "theirs"}}
    own = {"responses": dict(theirs), "security": [{"other": []}]}
    schemes = {"securitySchemes": {"other": {"type": "apiKey"}}}
    described = finish({"paths": {"/own": {"get": own}}, "components": schemes}, True)
    assert described["paths"]["/own"]["get"] == {
        "responses": theirs,
        "security": [{"other": [], "key": []}],
    }
    assert set(described["components"]["securitySchemes"]) == {"other", "key"}


def test_openapi_describes_the_model_and_its_examples_work(ask: Asked) -> None:
    paths = ask.client.get("/openapi.json").json()["paths"]
    # Beside them may be routes of the project's own.
    assert sorted(path for path in paths if path.startswith(("/v1/", "/v2"))) == [
        "/v1/models/{model}",
        "/v1/models/{model}/versions/{version}",
        "/v1/models/{model}/versions/{version}:predict",
        "/v1/models/{model}:predict",
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/{model}",
        "/v2/models/{model}/infer",
        "/v2/models/{model}/ready",
        "/v2/models/{model}/versions/{version}",
        "/v2/models/{model}/versions/{version}/infer",
        "/v2/models/{model}/versions/{version}/ready",
    ]
    for path in ("/v1/models/{model}:predict", "/v2/models/{model}/infer"):
        content = paths[path]["post"]["requestBody"]["content"]["application/json"]
        address = path.replace("{model}", MODEL_NAME)
        assert ask.client.post(address, json=content["example"]).status_code == 200


def test_the_documentation_needs_no_other_host(ask: Asked) -> None:
    page = ask.client.get("/docs").text
    assert "swagger-ui-bundle.js" in page
    assert "https://" not in page
    assert ask.client.get("/docs/static/swagger-ui-bundle.js").status_code == 200


def test_the_documentation_can_be_switched_off(artifact: Artifact) -> None:
    with asking(artifact, Settings(docs=False)) as ask:
        for path in ("/docs", "/openapi.json"):
            assert ask.client.get(path).status_code == 404
        assert ask.v1([ask.row]).status_code == 200


def test_a_slash_too_many_is_another_path_and_no_redirect(ask: Asked) -> None:
    answer = ask.client.get("/v2/", follow_redirects=False)
    assert answer.status_code == 404
