"""The page on which to try the model, used in a real browser as people use it."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import TEMPLATE, Rendered, bare_environment
from test_service import free_port, get, running, wait_until_ready

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM is POSIX")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
PATIENCE_MS = 30_000
MODELS = Path(__file__).with_name("made_up_models.py")
PICTURES = ("docs/page-light.png", "docs/page-dark.png")
TELL_VIOLATIONS = """addEventListener("securitypolicyviolation",
    (event) => console.error("policy: " + event.violatedDirective))"""


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    driver = pytest.importorskip(
        "playwright.sync_api", reason="needs Playwright: make test brings it"
    )
    if BROWSER is None:
        pytest.skip("needs a browser: apt-get install chromium")
    with driver.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=BROWSER)
        yield running
        running.close()


@pytest.fixture
def visit(browser) -> Iterator[Callable[..., object]]:
    """Open an address; in the end nothing may have been logged or asked elsewhere.

    allowed: what the browser itself logs of answers that a test provokes.
    """
    opened, heard, foreign = [], [], []

    def open_page(address: str, allowed: str = "", **options: object):
        context = browser.new_context(**options)
        opened.append(context)

        def gate(route) -> None:
            if route.request.url.startswith((address, "data:")):
                return route.continue_()
            foreign.append(route.request.url)
            return route.abort()

        def listen(message) -> None:
            known = allowed and re.search(allowed, message.text)
            if message.type in ("error", "warning") and not known:
                heard.append(message.text)

        context.route("**/*", gate)
        context.add_init_script(TELL_VIOLATIONS)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", listen)
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.goto(address)
        return page

    yield open_page
    for context in opened:
        context.close()
    assert heard == []
    assert foreign == []


@pytest.fixture(scope="module")
def address(project: Rendered) -> Iterator[str]:
    with running(project) as (address, service):
        wait_until_ready(address, service)
        yield f"{address}/"


@pytest.fixture(scope="module")
def guarded(project: Rendered) -> Iterator[str]:
    """Behind a key, and below a path."""
    variables = {"ML_API_KEYS": "open-sesame", "ML_ROOT_PATH": "/wine"}
    with running(project, **variables) as (address, service):
        wait_until_ready(address, service)
        yield f"{address}/wine"


def settled(page) -> None:
    """Until the answer to what the form holds is shown."""
    page.wait_for_function("""() => model && !flight && !timer && !wanted
        && !document.querySelector(".waits") && $("said").textContent !== "…" """)


def row_of(page) -> dict[str, float]:
    return page.evaluate(
        "Object.fromEntries(rows.map((row) => [row.name, Number(row.number.value)]))"
    )


def assert_shows_what_the_service_answers(page, address: str) -> None:
    settled(page)
    url = f"{address}v1/models/wine-classifier:predict"
    (answer,) = get(url, {"instances": [row_of(page)]})[1]["predictions"]
    assert page.inner_text("#said") == answer["label"]
    shown = [each.split() for each in page.locator(".bars li").all_inner_texts()]
    assert [name for name, *_ in shown] == ["barbera", "barolo", "grignolino"]
    for (_, *text), share in zip(shown, answer["probabilities"], strict=True):
        exact = f"{100 * share:.1f} %"
        bounds = "< 0.1 %" if share < 0.001 else "> 99.9 %" if share > 0.999 else exact
        assert " ".join(text) == bounds
    assert page.locator(".bars .first").inner_text().startswith(answer["label"])


def assert_accessible(page) -> None:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    assert [(each["id"], [n["target"] for n in each["nodes"]]) for each in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_it_answers_as_a_slider_moves(visit, address):
    page = visit(address)
    assert_shows_what_the_service_answers(page, address)
    assert page.title() == "Wine classifier · try it"
    assert "cultivar" in page.inner_text("#description")
    before = page.inner_text("#said")
    for name in ("alcohol, % vol", "proline, mg/L", "flavanoids, g/L"):
        page.get_by_label(name, exact=True).press("End")
    assert row_of(page)["proline"] == 1680
    assert_shows_what_the_service_answers(page, address)
    assert page.inner_text("#said") != before
    slider = page.get_by_label("alcohol, % vol", exact=True)
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] - 9, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 9, box["y"] + box["height"] / 2, steps=20)
    page.mouse.up()
    assert row_of(page)["alcohol"] == 11.03
    assert_shows_what_the_service_answers(page, address)
    page.get_by_role("button", name="Typical values").click()
    settled(page)
    assert page.inner_text("#said") == before
    assert_accessible(page)


def test_a_request_is_given_up_when_its_row_is_stale(visit, address):
    page = visit(address)
    settled(page)
    page.route("**/*:predict", lambda _: None)  # and never an answer
    page.get_by_label("proline, mg/L", exact=True).press("End")
    page.wait_for_function("() => flight")
    held = page.evaluate_handle("flight.signal")
    page.get_by_role("button", name="Typical values").click()
    assert held.evaluate("(signal) => signal.reason") == "stale"
    page.unroute("**/*:predict")
    page.get_by_label("hue, ratio", exact=True).press("End")
    assert_shows_what_the_service_answers(page, address)
    assert row_of(page)["proline"] == 680


def test_a_real_row_comes_with_its_truth(visit, address, project):
    page = visit(address, color_scheme="dark")
    settled(page)
    page.get_by_role("button", name="Random real row").click()
    assert_shows_what_the_service_answers(page, address)
    sample = list(csv.DictReader(project.text("data/sample.csv").splitlines()))
    shown = row_of(page)
    (wine,) = [w for w in sample if all(float(w[k]) == v for k, v in shown.items())]
    known = f"A real row, not learned from. It is {wine['cultivar']}."
    assert page.inner_text("#truth").startswith(known)
    page.get_by_label("hue, ratio", exact=True).press("ArrowRight")
    settled(page)
    assert page.locator("#truth").is_hidden(), "it is no longer that row"
    assert_accessible(page)


def test_a_refusal_is_shown_in_the_service_s_own_words(visit, address):
    page = visit(address, allowed="status of 400")
    settled(page)
    field = page.get_by_label("alcohol % vol", exact=True)
    field.fill("")
    note = page.locator("#trouble")
    note.get_by_text("The service refused these inputs.").wait_for()
    url = f"{address}v1/models/wine-classifier:predict"
    _, refusal = get(url, {"instances": [row_of(page) | {"alcohol": None}]})
    assert refusal["error"] in note.inner_text()
    assert field.get_attribute("aria-invalid") == "true"
    assert_accessible(page)
    field.fill("20")
    assert_shows_what_the_service_answers(page, address)
    assert note.is_hidden()
    seen = page.get_by_text("The model has seen 11.03 to 14.83 only.")
    assert seen.is_visible()


def test_what_is_copied_gives_the_same_answer_elsewhere(visit, address, tmp_path):
    page = visit(address, permissions=["clipboard-read", "clipboard-write"])
    settled(page)
    page.get_by_role("button", name="Random real row").click()
    settled(page)
    answer = page.inner_text("#said")
    ways = {"curl": ["bash"], "Python": [sys.executable], "JavaScript": ["node"]}
    for name, program in ways.items():
        page.get_by_role("tab", name=name).click()
        page.get_by_role("button", name="Copy").click()
        page.get_by_role("button", name="Copied").wait_for()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied == page.locator("#snippet").text_content()
        page.get_by_role("button", name="Copy", exact=True).wait_for()
        if shutil.which(program[0]) and (name != "curl" or shutil.which("curl")):
            file = tmp_path / f"{name}.mjs"
            file.write_text(copied, encoding="utf-8")
            done = subprocess.run(
                [*program, file], capture_output=True, text=True, timeout=60, check=True
            )
            assert answer in done.stdout
    page.get_by_role("tab", name="JavaScript").press("ArrowRight")
    told = json.loads(page.locator("#snippet").text_content())
    assert told["predictions"][0]["label"] == answer


def test_a_keyboard_is_enough(visit, address):
    page = visit(address, reduced_motion="reduce")
    settled(page)
    focused = "document.activeElement"
    page.keyboard.press("Tab")
    assert page.evaluate(f"{focused}.textContent") == "Skip to the inputs"
    page.keyboard.press("Enter")
    order = []
    for _ in range(5):
        page.keyboard.press("Tab")
        order.append(page.evaluate(f"{focused}.textContent || {focused}.type"))
    assert order == [
        *("Random real row", "Typical values", "number", "range", "typical 13.05")
    ]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowRight")
    assert row_of(page)["alcohol"] > 13.05
    spoken = page.evaluate(f"{focused}.getAttribute('aria-valuetext')")
    assert spoken == f"{row_of(page)['alcohol']} % vol"
    assert_shows_what_the_service_answers(page, address)
    answer = page.inner_text("#said")
    page.get_by_text(f"Answer: {answer}").wait_for(state="attached")


def test_a_key_is_asked_for_and_kept_in_memory_only(visit, guarded):
    page = visit(guarded, allowed="status of 401")
    page.get_by_text("This service wants a key.").wait_for()
    assert page.locator("#board").is_hidden()
    assert_accessible(page)
    page.get_by_label("Key").fill("wrong")
    page.get_by_role("button", name="Use it").click()
    page.get_by_text("That key is not accepted.").wait_for()
    page.get_by_label("Key").fill("open-sesame")
    page.keyboard.press("Enter")
    settled(page)
    assert page.inner_text("#said") in {"barolo", "grignolino", "barbera"}
    assert "Bearer $KEY" in page.inner_text("#snippet")
    assert page.url == guarded
    assert f"{guarded}/v1/models/" in page.inner_text("#snippet")
    link = page.get_by_role("link", name="API documentation")
    assert link.get_attribute("href") == "/wine/docs"
    kept = "JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    assert page.evaluate(kept) == '[{},{},""]'
    assert "open-sesame" not in page.content()
    page.reload()
    page.get_by_text("This service wants a key.").wait_for()


IN_PLAIN_WORDS = [
    (429, "slow down", "Too many requests for now. Trying again in 7 s."),
    (503, "not ready: starting; try again later", "The model is still being loaded."),
    (503, "not ready: failed to start", "its model could not be loaded"),
    (503, "not ready: draining", "This process is about to stop"),
    (503, "2 in flight and 32 waiting: all that", "The service is busy."),
    (504, "no answer within 30 s", "No answer came in time."),
    (500, "internal error; see the log", "Its log tells more under request abc-1."),
    (403, "", "You may not ask this service."),
    (404, "model: expected 'a'", "There is no such model here."),
    (413, "instances: expected at most 1 rows", "expected at most 1 rows"),
]


def answering(status: int, headers: dict[str, str], body: str) -> Callable[..., None]:
    return lambda route: route.fulfill(status=status, headers=headers, body=body)


def test_each_refusal_is_put_into_plain_words(visit, address):
    page = visit(address, allowed="Failed to load resource")
    settled(page)
    headers = {"retry-after": "7", "x-request-id": "abc-1"}
    slider = page.get_by_label("hue, ratio", exact=True)
    for status, error, words in IN_PLAIN_WORDS:
        body = json.dumps({"error": error}) if error else "<p>from a proxy</p>"
        page.route("**/*:predict", answering(status, headers, body))
        slider.press("ArrowRight")
        page.locator("#trouble").get_by_text(words).wait_for()
        page.unroute("**/*:predict")
        slider.press("ArrowRight")
        settled(page)
        assert page.locator("#trouble").is_hidden()


@contextmanager
def made_up(project: Rendered, name: str, port: int) -> Iterator[str]:
    environment = bare_environment() | {"PORT": str(port)}
    python = project.path / ".venv" / "bin" / "python"
    with (project.path / f"{name}.log").open("w", encoding="utf-8") as log:
        service = subprocess.Popen(
            [python, MODELS, name], env=environment, stdout=log, stderr=log
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until_ready(address, service)
        yield f"{address}/"
    finally:
        service.kill()
        service.wait()


def test_any_model_gets_its_form_also_when_it_replaces_another(visit, project):
    port = free_port()
    with made_up(project, "rent", port) as address:
        page = visit(address, allowed="ERR_|status of (400|503)")
        assert_one_number(page)
    page.get_by_label("floor area, m²", exact=True).press("End")
    page.get_by_text("The service does not answer.").wait_for()
    assert page.inner_text("#state") == "Offline"
    with made_up(project, "faults", port):
        page.get_by_text("Another version of the model answers now.").wait_for()
        assert_many_inputs(page)


def assert_one_number(page) -> None:
    settled(page)
    assert page.inner_text("#said") == "150"
    page.get_by_label("floor area, m²", exact=True).press("PageUp")
    settled(page)
    area = row_of(page)["floor_area"]
    assert area > 75
    assert page.inner_text("#said") == f"{2 * area:.4g}"
    words = f"Mostly between {2 * area - 10:.4g} and {2 * area + 10:.4g}"
    assert words in page.inner_text("#result")
    field = page.get_by_label("floor area m²", exact=True)
    field.fill("")
    settled(page)
    assert page.inner_text("#said") == "120"
    assert page.get_by_text("Nothing here counts as 60, as in training.").is_visible()
    assert field.get_attribute("aria-invalid") == "false"
    page.get_by_role("button", name="Random real row").click()
    settled(page)
    assert page.inner_text("#truth") == "A real row. It is 210."
    assert "data elsewhere; judged by made-up.csv" in page.inner_text("#told")
    assert page.locator("#finder").is_hidden()
    assert_accessible(page)


def assert_many_inputs(page) -> None:
    settled(page)
    assert page.inner_text("#said") == "fault 29"
    assert page.locator(".bars li").count() == 6
    assert "and 24 less likely" in page.inner_text("#result")
    assert page.locator("details").count() == 10
    assert page.locator(".feature:visible").count() == 20
    assert_accessible(page)
    page.get_by_label("Find an input by name").fill("x17")
    assert page.inner_text("#found") == "11 of 200 inputs"
    assert page.locator(".feature:visible").count() == 11
    page.get_by_label("x17, bar", exact=True).press("End")
    settled(page)
    assert page.inner_text("#said") == "fault 17"
    page.get_by_label("Find an input by name").fill("")
    page.get_by_label("Changed ones only").check()
    assert page.inner_text("#found") == "1 of 200 inputs"


@pytest.mark.parametrize("width", [390, 768])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_every_screen(visit, address, width, scheme):
    size = {"width": width, "height": 844}
    page = visit(address, color_scheme=scheme, viewport=size)
    settled(page)
    assert_accessible(page)
    page.get_by_label("proline, mg/L", exact=True).press("Home")
    settled(page)
    inside = page.locator("#said").bounding_box()
    assert 0 <= inside["y"] < 100, "the answer stays in sight"


@pytest.mark.parametrize("picture", PICTURES)
def test_the_readme_shows_the_page(picture):
    assert picture in (TEMPLATE / "README.md").read_text(encoding="utf-8")
    content = (TEMPLATE / picture).read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) < 200_000
