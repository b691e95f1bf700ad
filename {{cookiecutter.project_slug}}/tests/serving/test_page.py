"""The try-it page as a browser gets it: one file, its policy, and an off switch."""

import base64
import hashlib
import html
import re

import pytest
from asking import (
    Asked,
    asking,
)
from fastapi import (
    FastAPI,
)

from {{cookiecutter.__package_name}} import (
    MODEL_NAME,
)
from {{cookiecutter.__package_name}}.app import (
    create_api,
)
from {{cookiecutter.__package_name}}.artifacts.artifact import (
    Artifact,
)
from {{cookiecutter.__package_name}}.serving.page import (
    FILE,
    Page,
)
from {{cookiecutter.__package_name}}.serving.service import (
    Service,
)
from {{cookiecutter.__package_name}}.settings import (
    Settings,
)

TEXT = FILE.read_text(encoding="utf-8")
TOLD = re.compile(
    r'<html lang="en" data-model="(.*?)" data-root="(.*?)" data-docs="(.*?)">'
)


def told(page: str) -> list[str]:
    """The model's name, where the service is, where its documentation is."""
    (blanks,) = TOLD.findall(page)
    return [html.unescape(each) for each in blanks]


def test_the_page_is_html_and_knows_its_model(ask: Asked) -> None:
    answer = ask.client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert told(answer.text) == [MODEL_NAME, "", "/docs"]


def test_the_policy_lets_in_the_page_s_own_script_and_style_only(ask: Asked) -> None:
    answer = ask.client.get("/")
    policy = dict(
        each.strip().split(" ", 1)
        for each in answer.headers["content-security-policy"].split(";")
    )
    for element in ("script", "style"):
        inside = answer.text.split(f"<{element}>")[1].split(f"</{element}>")[0]
        sha = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert policy.pop(f"{element}-src") == f"'sha256-{sha}'"
    assert policy == {
        "default-src": "'none'",
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


def test_the_page_needs_no_other_file_and_no_other_host() -> None:
    assert re.findall(r"(?:https?:)?//[a-z]", TEXT) == []
    sources = re.findall(r"""\b(?:src|href)=["']([^"']*)""", TEXT)
    assert [each[:5] for each in sources] == ["data:", "#inpu"]
    assert not re.search(r"@import|url\(|\son[a-z]+=\"|\sstyle=", TEXT)


def test_a_browser_that_has_the_page_is_not_sent_it_again(ask: Asked) -> None:
    first = ask.client.get("/")
    assert first.headers["cache-control"] == "no-cache"
    tag = first.headers["etag"]
    for known in (tag, f'"other", W/{tag}', "*"):
        again = ask.client.get("/", headers={"if-none-match": known})
        assert again.status_code == 304
        assert again.content == b""
        assert again.headers["etag"] == tag
        assert "content-length" not in again.headers
        assert "content-type" not in again.headers
    other = ask.client.get("/", headers={"if-none-match": '"other"'})
    assert other.status_code == 200


def test_the_page_is_read_only(ask: Asked) -> None:
    assert ask.client.head("/").content == b""
    refused = ask.client.post("/")
    assert refused.status_code == 405
    assert refused.json() == {"error": "/: expected GET, received POST"}


def test_the_page_is_there_before_its_model_and_needs_no_key(
    artifact: Artifact,
) -> None:
    service = Service(Settings(api_keys="key"), load=lambda: artifact)
    assert Page(service).reply({}).status == 200
    with asking(artifact, Settings(api_keys="key")) as ask:
        assert ask.client.get("/").status_code == 200
        assert ask.client.get(f"/v2/models/{MODEL_NAME}").status_code == 401


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (Settings(root_path="/wine"), [MODEL_NAME, "/wine", "/wine/docs"]),
        (Settings(docs=False), [MODEL_NAME, "", ""]),
        (Settings(root_path='/"><b>'), [MODEL_NAME, '/"><b>', '/"><b>/docs']),
    ],
)
def test_the_page_knows_where_the_service_is(
    artifact: Artifact, settings: Settings, expected: list[str]
) -> None:
    page = Page(Service(settings, load=lambda: artifact))
    assert told(page.body.decode()) == expected
    assert b"<b>" not in page.body


def test_the_page_is_at_the_root_of_its_path_with_and_without_a_slash(
    artifact: Artifact,
) -> None:
    with asking(artifact, Settings(root_path="/wine")) as ask:
        for path in ("/", "/wine", "/wine/"):
            assert told(ask.client.get(path).text)[1] == "/wine"


def test_the_page_can_be_switched_off(artifact: Artifact) -> None:
    with asking(artifact, Settings(page=False)) as ask:
        answer = ask.client.get("/")
        assert answer.status_code == 404
        assert answer.json() == {"error": "/: no such path; see /docs"}
        assert ask.client.get("/docs").status_code == 200


def test_a_route_of_the_project_s_own_may_take_its_place_and_needs_a_key(
    artifact: Artifact,
) -> None:
    def make_api(service: Service) -> FastAPI:
        api = create_api(service)
        api.get("/")(lambda: "mine")
        return api

    with asking(artifact, Settings(page=False, api_keys="key"), make_api) as ask:
        assert ask.client.get("/").status_code == 401
        given = {"authorization": "Bearer key"}
        assert ask.client.get("/", headers=given).json() == "mine"
