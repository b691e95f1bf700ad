"""Who may import whom: arrows go one way, and the two flows meet at the artifact."""

import ast
import graphlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import {{cookiecutter.__package_name}} as package
from {{cookiecutter.__package_name}}.artifacts.store import (
    Store,
)
from {{cookiecutter.__package_name}}.model import (
    engine,
)
from {{cookiecutter.__package_name}}.training.dataset import (
    Table,
)

NAME = package.__name__
SOURCE = Path(package.__file__).parent

# A room is a folder, or a file beside the folders; "package" is its __init__.py.
# Inside a room everything may import everything, as long as there is no cycle.
ALLOWED = {
    "package": set(),
    "errors": set(),
    "settings": {"errors"},
    "model": {"errors"},
    "artifacts": {"errors", "model"},
    "training": {"errors", "model", "artifacts"},
    "monitoring": {"errors", "model", "artifacts"},
    "scoring": {"errors", "model", "artifacts"},
    "serving": {
        "package",
        "errors",
        "settings",
        "model",
        "artifacts",
        "monitoring",
    },
    "app": {"package", "settings", "artifacts", "serving"},
    "cli": {
        "package",
        "errors",
        "settings",
        "model",
        "artifacts",
        "training",
        "monitoring",
        "scoring",
        "serving",
        "app",
    },
    "__main__": {"cli"},
}
READ_SETTINGS = {"app", "cli.answering", "cli.common", "cli.shipping"}
# The CPU budget has to be in the environment before NumPy is imported, the place of
# compiled code before Numba is; the probe runs by itself.
TOUCH_THE_ENVIRONMENT = READ_SETTINGS | {
    "cli.remote",
    "serving.compiled",
    "serving.cpu",
    "serving.probe",
}
NEED_SCIKIT_LEARN = {
    "cli.common",
    "model.estimator",
    "training.class_pictures",
    "training.evaluate",
    "training.split",
    "training.train",
}
ONLY_FOR_BUCKETS = {"obstore"}
ENGINES = {"numba", "onnxruntime", "onnx", "jax", "tvm"}
NOT_IN_THE_RUNTIME_IMAGE = {"sklearn", "pandas", "matplotlib", "pyarrow"} | (
    ENGINES - set(engine.IMPORTS)
)


def modules() -> dict[str, ast.Module]:
    """Every module by its name inside the package, parsed but not imported."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__") or "package"
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


MODULES = modules()


def imports_of(module: str) -> set[str]:
    """All that it imports, wherever that stands in it.

    Ours by their name inside the package; others' by their first name, after a `!`.
    """
    path = [] if module == "package" else module.split(".")
    is_folder = module == "package" or (SOURCE / Path(*path)).is_dir()
    found = set()
    for node in ast.walk(MODULES[module]):
        if isinstance(node, ast.Import):
            found |= {f"!{alias.name.partition('.')[0]}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add(f"!{(node.module or '').partition('.')[0]}")
        elif isinstance(node, ast.ImportFrom):
            base = path[: len(path) + is_folder - node.level]
            base += node.module.split(".") if node.module else []
            for alias in node.names:
                longer = ".".join([*base, alias.name])
                found.add(longer if longer in MODULES else ".".join(base) or "package")
    return found


IMPORTED = {module: imports_of(module) for module in MODULES}


def ours(module: str) -> set[str]:
    return {name for name in IMPORTED[module] if name[0] != "!"}


def room(module: str) -> str:
    return module.partition(".")[0]


def test_imports_are_seen_wherever_they_stand() -> None:
    assert "errors" in IMPORTED["training.dataset"], "relative, at the top"
    assert "model.engine" in IMPORTED["model.predictor"], "a module from its folder"
    assert "package" in IMPORTED["app"], "a name from the package itself"
    assert "training.train" in IMPORTED["cli.learning"], "inside a function"
    assert "!numpy" in IMPORTED["model.arrays"], "somebody else's"


def test_arrows_between_rooms_are_those_of_the_table() -> None:
    assert {room(module) for module in MODULES} == ALLOWED.keys()
    forbidden = [
        f"{module} imports {name}"
        for module in MODULES
        for name in sorted(ours(module))
        if room(name) not in ALLOWED[room(module)] | {room(module)}
    ]
    assert forbidden == []


def test_training_and_serving_never_import_each_other() -> None:
    for one, other in (("training", "serving"), ("serving", "training")):
        inside = [module for module in MODULES if room(module) == one]
        assert len(inside) > 1
        assert not {room(name) for module in inside for name in ours(module)} & {other}


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {module: ours(module) - {module} for module in MODULES}
    order = list(graphlib.TopologicalSorter(graph).static_order())
    assert sorted(order) == sorted(MODULES)


def test_errors_import_nothing_of_ours() -> None:
    assert ours("errors") == set()


def test_settings_are_read_by_the_entry_points_only() -> None:
    readers = {
        module
        for module, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        if "read_settings" in {alias.name for alias in node.names}
    }
    assert readers == READ_SETTINGS


def test_nothing_else_looks_at_the_environment() -> None:
    users = {
        module
        for module, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Name)
        if getattr(node, "attr", getattr(node, "id", "")) in ("environ", "getenv")
    }
    # An engine whose threads go by no variable has to read one itself.
    assert users - {"model.session"} == TOUCH_THE_ENVIRONMENT


def test_scikit_learn_is_needed_where_models_are_made_only() -> None:
    users = {module for module in MODULES if "!sklearn" in IMPORTED[module]}
    assert users == NEED_SCIKIT_LEARN


AS_IN_THE_RUNTIME_IMAGE = f"""
import sys
sys.modules.update(dict.fromkeys({sorted(NOT_IN_THE_RUNTIME_IMAGE)}))
from {NAME}.app import create_api, create_app
from {NAME}.cli import commands
from {NAME}.settings import Settings

create_api(create_app(Settings(model_uri=sys.argv[1])).service)
commands(["predict", sys.argv[2]], standalone_mode=False)
"""


def test_predicting_and_serving_need_nothing_that_the_runtime_image_lacks(
    store: Store, sample: Path, table: Table, project: Path
) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", AS_IN_THE_RUNTIME_IMAGE, str(store.root), str(sample)],
        cwd=project,
        env=os.environ | {"ML_MODEL_URI": str(store.root)},
        capture_output=True,
        text=True,
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    assert len(answer.stdout.splitlines()) == 1 + len(table.X)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_every_module_says_in_its_first_line_what_it_is_for(module: str) -> None:
    assert ast.get_docstring(MODULES[module]), f"{module} has no docstring"
