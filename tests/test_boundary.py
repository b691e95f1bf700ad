"""What machinery takes from the rooms that are a project's own.

An update brings new machinery and leaves those rooms as they are, so what is asked of
them must stay; boundary.txt holds it. Where this fails, write the change so that the
old call still works, or make it a major version; then write the file anew:

    RECORD=1 uv run pytest tests/test_boundary.py
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

RECORDED = Path(__file__).with_name("boundary.txt")
OWNED = ("app", "model", "training")


def taken(package: Path) -> Iterator[tuple[str, str]]:
    """(module, name) of what any file outside of the owned rooms imports from them."""
    for file in package.rglob("*.py"):
        if file.relative_to(package).parts[0].removesuffix(".py") in OWNED:
            continue
        tree = ast.parse(file.read_text(encoding="utf-8"))
        modules = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.level == 2:
                for each in node.names:
                    whole = f"{node.module}.{each.name}".replace(".", "/")
                    if (package / f"{whole}.py").is_file():
                        modules[each.asname or each.name] = f"{node.module}.{each.name}"
                    elif str(node.module).partition(".")[0] in OWNED:
                        yield str(node.module), each.name
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                module = modules.get(node.value.id, "")
                if module.partition(".")[0] in OWNED:
                    yield module, node.attr


def described(package: Path, module: str, name: str) -> Iterator[str]:
    """The signature of a function; of a class its fields and what can be called."""
    file = package / f"{module.replace('.', '/')}.py"
    place = f"{module}.{name}"
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            yield f"{place}({arguments(node)})"
            return
        if isinstance(node, ast.ClassDef) and node.name == name:
            yield place
            for each in node.body:
                if isinstance(each, ast.AnnAssign):
                    optional = " = ..." if each.value else ""
                    yield f"{place}.{ast.unparse(each.target)}{optional}"
                elif isinstance(each, ast.FunctionDef) and (
                    each.name[0] != "_" or each.name == "__init__"
                ):
                    yield f"{place}.{each.name}({arguments(each)})"
            return
    yield place


def arguments(function: ast.FunctionDef) -> str:
    """Names and which of them may be left out; the types are mypy's affair."""
    listed = function.args
    for each in (*listed.posonlyargs, *listed.args, *listed.kwonlyargs):
        each.annotation = None
    for each in filter(None, (listed.vararg, listed.kwarg)):
        each.annotation = None
    listed.defaults = [ast.Constant(...) for _ in listed.defaults]
    listed.kw_defaults = [each and ast.Constant(...) for each in listed.kw_defaults]
    return ast.unparse(listed)


def boundary(project: Path) -> list[str]:
    (package,) = (each.parent for each in project.glob("src/*/app.py"))
    found = {line for each in taken(package) for line in described(package, *each)}
    return sorted(found)


def test_what_machinery_asks_of_a_project_s_own_rooms_stays(render):
    asked = boundary(render().path)
    assert any(line.startswith("training.train.train(") for line in asked)
    assert any(line.startswith("model.predictor.Predictor.predict(") for line in asked)
    if os.environ.get("RECORD"):
        RECORDED.write_text("\n".join(asked) + "\n", encoding="utf-8")
    assert asked == RECORDED.read_text(encoding="utf-8").splitlines(), __doc__
