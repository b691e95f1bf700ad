"""A project's notebook runs, draws, keeps a candidate, and opens in Jupyter."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import UV, Rendered, bare_environment

pytestmark = pytest.mark.thorough

TOKEN = "opened-by-a-test"
OPEN_WITHIN_S = 60
# `plt.show` of the backend Agg leaves every figure where it can be counted.
DRAWN = """
import runpy
import matplotlib.pyplot as plt
runpy.run_path("experiments/explore.py")
axes = [figure.axes for figure in map(plt.figure, plt.get_fignums())]
print(sum(any(each.has_data() for each in figure) for figure in axes), "drawn")
"""


def test_the_notebook_draws_compares_and_keeps_a_candidate_that_does_not_serve(project):
    listing = ("uv", "run", "wine-classifier", "models", "list", "--json")
    before = json.loads(project.run(*listing).stdout)
    shown = project.succeeds("uv", "run", "python", "-c", DRAWN, MPLBACKEND="Agg")
    assert shown.endswith("4 drawn\n")
    assert "epochs=10 against as it is, over 45 rows" in shown
    after = json.loads(project.run(*listing).stdout)
    kept = [each for each in after if each not in before]
    assert [each["serving"] for each in kept] == [False]
    assert f"kept as version {kept[0]['version']}" in shown
    assert len(after) == len(before) + 1


def test_make_experiments_opens_the_notebook_in_jupyter(project, tmp_path):
    with jupyter(project, str(tmp_path)) as address:
        path = f"{address}/api/contents/experiments/explore.py?type=notebook&content=1"
        opened = read(path)
        assert opened["type"] == "notebook"
        cells = [each["cell_type"] for each in opened["content"]["cells"]]
        assert cells.count("code") > 5
        assert cells.count("markdown") > 5
        # JupyterLab reads no viewer from an address: without this a text comes up.
        plugin = "@jupyterlab/docmanager-extension:plugin"
        schema = read(f"{address}/lab/api/settings/{plugin}")["schema"]
        chosen = schema["properties"]["defaultViewers"]["default"]
        assert chosen == {"python": "Jupytext Notebook"}
        extensions = read(f"{address}/lab/api/extensions")
        assert "jupyterlab-jupytext" in {each["name"] for each in extensions}


@contextmanager
def jupyter(project: Rendered, folder: str) -> Iterator[str]:
    """What `make experiments` starts, without a browser."""
    dry = project.succeeds("make", "--dry-run", "--no-print-directory", "experiments")
    command = dry.replace("\\\n", " ").strip()
    assert " run --with jupyterlab==" in command
    options = f"--no-browser --allow-root --IdentityProvider.token={TOKEN}"
    server = subprocess.Popen(
        ["bash", "-c", f"exec {command} {options} --ip=127.0.0.1 --port=0"],
        cwd=project.path,
        env=bare_environment()
        | {"UV": UV, "JUPYTER_RUNTIME_DIR": folder, "JUPYTER_CONFIG_DIR": folder},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield address_of(server, folder)
    finally:
        server.terminate()
        server.wait(30)


def address_of(server: subprocess.Popen[bytes], folder: str) -> str:
    """From the file in which a server tells others where it is."""
    deadline = time.monotonic() + OPEN_WITHIN_S
    while time.monotonic() < deadline:
        assert server.poll() is None, "Jupyter ended"
        for file in Path(folder).glob("jpserver-*.json"):
            address = json.loads(file.read_text())["url"].rstrip("/")
            try:
                read(f"{address}/api/status")
            except (urllib.error.URLError, ConnectionError):
                continue
            return address
        time.sleep(0.2)
    raise AssertionError(f"Jupyter was not there within {OPEN_WITHIN_S} s")


def read(address: str):
    headers = {"Authorization": f"token {TOKEN}"}
    request = urllib.request.Request(address, headers=headers)
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply)
