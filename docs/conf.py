"""The template's site: this folder → build/docs, by `make docs`, strictly.

What lies outside this folder is linked in git; what is not there fails the build.
"""

import os
import re
import tomllib
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

LOG = logging.getLogger(__name__)
HERE = Path(__file__).parent.resolve()
ROOT = HERE.parent
METADATA = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
project = METADATA["project"]["name"]
# GitHub says where it builds; the rest of the documentation writes OWNER.
SOURCE = f"https://github.com/{os.environ.get('GITHUB_REPOSITORY', f'OWNER/{project}')}"
LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")

extensions = ["myst_parser"]
nitpicky = True
myst_heading_anchors = 4
html_theme = "furo"
html_title = project
html_show_sphinx = html_show_copyright = False
html_copy_source = False


def lead_pages(app: Sphinx, name: str, text: list[str]) -> None:
    folder = Path(app.env.doc2path(name)).parent

    def lead(link: re.Match[str]) -> str:
        target = Path(folder, link[1]).resolve()
        if target.is_relative_to(HERE):
            return link[0]
        if not target.is_relative_to(ROOT) or not target.exists():
            LOG.warning("%s links %s, which is not there", name, link[1])
        kind = "tree" if target.is_dir() else "blob"
        return f"]({SOURCE}/{kind}/main/{os.path.relpath(target, ROOT)}{link[2] or ''})"

    text[0] = LINK.sub(lead, text[0])


def setup(app: Sphinx) -> None:
    app.connect("source-read", lead_pages)
