"""The site of this project: this folder, pages from elsewhere, docstrings → build/docs.

`make docs` is strict: it fails on a broken link. The site holds all that a page needs;
no font, style or script comes from another host.
"""

import json
import os
import re
import shutil
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

from sphinx.application import Sphinx
from sphinx.util import logging

LOG = logging.getLogger(__name__)
HERE = Path(__file__).parent.resolve()
ROOT = HERE.parent
GENERATED = HERE / "generated"  # git ignores it
METADATA = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGE = Path(METADATA["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"][0])
SOURCE = METADATA["project"]["urls"]["Source"]
LINK = re.compile(r"(?<!\\)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")

project = METADATA["project"]["name"]
release = METADATA["project"]["version"]
author = project_copyright = METADATA["project"]["authors"][0]["name"]
extensions = ["myst_parser", "sphinx.ext.autodoc"]
nitpicky = True
# Docstrings hold no references; annotations refer to other packages, type variables.
nitpick_ignore_regex = [("py:.*", ".*")]

myst_heading_anchors = 4
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}

html_theme = "furo"
html_title = f"{project} {release}"
html_show_sphinx = False
html_copy_source = False
templates_path: list[str] = []
exclude_patterns = ["intended-use.md"]  # every model card quotes it


def copied_pages() -> dict[Path, Path]:
    """Pages from outside this folder, and their place in the site."""
    pages = {
        ROOT / "README.md": GENERATED / "readme.md",
        ROOT / "CHANGELOG.md": GENERATED / "changelog.md",
        ROOT / "data" / "README.md": GENERATED / "data.md",
        ROOT / "observability" / "README.md": GENERATED / "observability.md",
    }
    for target in ROOT.glob("deploy/*/README.md"):
        pages[target] = GENERATED / "deploy.md"
    return {source: page for source, page in pages.items() if source.exists()}


def led(text: str, source: Path, page: Path) -> str:
    """The text of `source` with links for `page`; what the site lacks links to git."""
    copied = copied_pages()

    def lead(link: re.Match[str]) -> str:
        target = Path(source.parent, link[1]).resolve()
        target, fragment = copied.get(target, target), link[2] or ""
        if target in copied.values() or target.is_relative_to(HERE):
            place = Path(os.path.relpath(target, page.parent)).as_posix()
        elif target.exists() and target.is_relative_to(ROOT):
            kind = "tree" if target.is_dir() else "blob"
            place = f"{SOURCE}/{kind}/main/{target.relative_to(ROOT).as_posix()}"
        else:
            LOG.warning("%s links %s, which is not there", source, link[1])
            return link[0]
        return f"]({place}{fragment})"

    return LINK.sub(lead, text)


def write(page: Path, text: str) -> Path:
    """Write only if the text differs, so that unchanged pages are not built again."""
    page.parent.mkdir(parents=True, exist_ok=True)
    if not page.exists() or page.read_text(encoding="utf-8") != text:
        page.write_text(text, encoding="utf-8")
    return page


def write_copies() -> Iterator[Path]:
    for source, page in copied_pages().items():
        yield write(page, led(source.read_text(encoding="utf-8"), source, page))


def write_model() -> Path:
    """Card and report of the version in service, or of the newest one that has them."""
    page, folder = GENERATED / "model.md", GENERATED / "report"
    shutil.rmtree(folder, ignore_errors=True)
    cards = sorted(ROOT.glob("reports/*/model-card.md"))
    if not cards:
        return write(page, NO_CARD)
    card = next((each for each in cards if each.parent.name == serving()), cards[-1])
    shutil.copytree(card.parent, folder, ignore=shutil.ignore_patterns("*.md"))
    text = card.read_text(encoding="utf-8")
    text = LINK.sub(lambda link: f"](report/{link[1]})", text)
    if (folder / "report.html").exists() and "report.html" not in text:
        text += "\n[The evaluation in full](report/report.html)\n"
    return write(page, text)


def serving() -> str | None:
    """The version in service in the local store; CI makes one before it builds this."""
    for pointer in ROOT.glob("models/*/CURRENT"):
        version: str = json.loads(pointer.read_bytes())["serving"]["version"]
        return version
    return None


NO_CARD = """# A model of these sources

Nothing is said of a model yet: `make evaluate` writes its card and its evaluation into
`reports/`, and the next `make docs` shows them here.
"""


def write_reference() -> Iterator[Path]:
    """A page for each subpackage, with a section for each of its modules."""
    sys.path.insert(0, str(ROOT / PACKAGE.parent))
    top = import_module(PACKAGE.name)
    rooms: dict[str, list[str]] = {}
    for module in walk_packages(top.__path__, f"{PACKAGE.name}."):
        room = module.name.split(".")[1] if module.name.count(".") > 1 else ""
        if not module.ispkg and not module.name.endswith("__main__"):
            rooms.setdefault(room, []).append(module.name)
    for room, modules in rooms.items():
        lines = [f"# {room or PACKAGE.name}"]
        for name in modules:
            title = name.split(".", 1 if not room else 2)[-1]
            lines += [f"## {title}", "```{eval-rst}", f".. automodule:: {name}", "```"]
        page = GENERATED / "api" / f"{room or 'package'}.md"
        yield write(page, "\n\n".join(lines) + "\n")


def as_written(app: Sphinx, kind: str, name: str, *rest: object) -> None:
    """Show docstrings as plain text: keep lines and drawings, set `names` as code."""
    lines: list[str] = rest[-1]  # type: ignore[assignment]
    blocks = "\n".join(lines).split("\n\n")
    lines[:] = [row for each in blocks for row in (*restructured(each), "")]


def restructured(block: str) -> list[str]:
    rows = [row for row in block.splitlines() if row.strip()]
    if DRAWN & set(block) or (rows and all(row.startswith(" ") for row in rows)):
        return ["::", "", *(f"    {row}" for row in rows)]
    return [f"| {quoted(row)}" for row in rows]


DRAWN = set("├└│→")


def quoted(row: str) -> str:
    """reStructuredText that shows the row, with what is in `backquotes` as code."""
    parts = re.split(r"`+([^`]+)`+", row.strip())
    plain = [re.sub(r"([\\*_|`<>])", r"\\\1", part) for part in parts[::2]]
    code = [f"\\ ``{part}``\\ " for part in parts[1::2]] + [""]
    return "".join(a + b for a, b in zip(plain, code, strict=True))


def lead_pages(app: Sphinx, name: str, text: list[str]) -> None:
    page = Path(app.env.doc2path(name))
    if not page.is_relative_to(GENERATED):
        text[0] = led(text[0], page, page)


def generate(app: Sphinx) -> None:
    pages = {*write_copies(), write_model(), *write_reference()}
    for left_over in set(GENERATED.rglob("*.md")) - pages:
        left_over.unlink()


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", generate)
    app.connect("source-read", lead_pages)
    app.connect("autodoc-process-docstring", as_written)
