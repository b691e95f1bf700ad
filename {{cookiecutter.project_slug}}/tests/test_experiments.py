"""Experiments go through the package, and the package holds nothing of a notebook."""

import ast
import re
from pathlib import Path

import pytest

import {{cookiecutter.__package_name}} as package

SOURCE = Path(package.__file__).parent
NOTEBOOKS = sorted(Path(__file__).parents[1].glob("experiments/*.py"))
CELL = re.compile(r"^# ?%%", re.MULTILINE)
FOR_NOTEBOOKS = {"IPython", "ipywidgets", "matplotlib.pyplot", "jupytext"}
CALLS = {"display", "get_ipython"}


def imported(tree: ast.Module) -> set[str]:
    """Every name that is imported, and every part of it: a, a.b, a.b.c."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {".".join(each.split(".")[: n + 1]) for each in found for n in range(4)}


def called(tree: ast.Module) -> set[str]:
    """Names of the functions and methods that are called."""
    return {
        node.func.id if isinstance(node.func, ast.Name) else node.func.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        if isinstance(node.func, ast.Name | ast.Attribute)
    }


def notebook_code(text: str) -> set[str]:
    tree = ast.parse(text)
    cells = {"a cell"} if CELL.search(text) else set()
    return cells | (imported(tree) & FOR_NOTEBOOKS) | (called(tree) & CALLS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_an_experiment_has_cells_and_goes_through_the_package(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert CELL.search(text)
    assert package.__name__ in imported(tree), "what it finds must hold for the package"
    assert called(tree) & {"fit", "promote"} == set(), "`train` learns, people promote"


def test_the_package_holds_nothing_of_a_notebook() -> None:
    found = {
        path.relative_to(SOURCE).as_posix(): names
        for path in sorted(SOURCE.rglob("*.py"))
        if (names := notebook_code(path.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_what_belongs_to_a_notebook_is_known_when_it_is_seen() -> None:
    assert notebook_code("x = 1\n# %% [markdown]\n") == {"a cell"}
    assert notebook_code("from matplotlib import pyplot") == {"matplotlib.pyplot"}
    assert notebook_code("import matplotlib.pyplot as p") == {"matplotlib.pyplot"}
    assert notebook_code("from IPython.display import HTML") == {"IPython"}
    assert notebook_code("display(1)\nget_ipython().run()") == CALLS
    assert notebook_code("from matplotlib.figure import Figure") == set()
