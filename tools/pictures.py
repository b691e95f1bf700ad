"""Takes the README's pictures: the page and the report of a rendered project."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from demo import ENVIRONMENT, TEMPLATE, free_port, render, served
from playwright.sync_api import Browser, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SIZE = {"width": 1280, "height": 940}


def main() -> None:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        sys.exit(f"Expected a browser, one of {', '.join(BROWSERS)}; found none")
    project = render()
    for step in ("setup", "train", "evaluate"):
        subprocess.run(["make", step], cwd=project, env=ENVIRONMENT, check=True)
    with served(project, free_port()) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found)
        for scheme in ("light", "dark"):
            take(browser, address, scheme)
            take_report(browser, next(project.glob("reports/*/report.html")), scheme)
        browser.close()


def take_report(browser: Browser, report: Path, scheme: str) -> None:
    picture = TEMPLATE / "docs" / f"report-{scheme}.png"
    page = browser.new_page(viewport=SIZE, color_scheme=scheme)
    page.goto(report.as_uri())
    page.locator(".pictures").screenshot(path=picture)
    page.close()
    print(f"{picture.relative_to(TEMPLATE)}: {picture.stat().st_size // 1000} kB")


def take(browser: Browser, address: str, scheme: str) -> None:
    picture = TEMPLATE / "docs" / f"page-{scheme}.png"
    page = browser.new_page(viewport=SIZE, color_scheme=scheme, reduced_motion="reduce")
    page.goto(address, wait_until="networkidle")
    # Not by the button, which draws another row each time.
    page.evaluate("example = model.parameters.examples[3]; setAll(example.values)")
    for _ in range(5):  # the first answer has to open a connection
        page.evaluate("predict(true)")
        page.wait_for_function("() => !flight && !timer && !wanted")
    page.screenshot(path=picture)
    page.close()
    print(f"{picture.relative_to(TEMPLATE)}: {picture.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
