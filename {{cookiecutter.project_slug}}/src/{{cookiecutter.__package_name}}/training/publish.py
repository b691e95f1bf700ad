"""A report in; a folder with page, pictures and model card out."""

import tempfile
from pathlib import Path

from .card import model_card
from .class_pictures import CLASSES
from .drawing import Picture, paint
from .page import render
from .report import Report
from .shared_pictures import SHARED
from .value_pictures import VALUES

PAGE, CARD = "report.html", "model-card.md"


def draw(report: Report) -> list[Picture]:
    own = CLASSES if report.answers.k else VALUES
    return [paint(drawing, report) for drawing in (*own, *SHARED)]


def write(report: Report, folder: Path, intended_use: Path) -> Path:
    """Card, pictures, and the page last, so that a folder with a page is complete.

    Returns the page. Other files in `folder` are left alone.
    """
    pictures = draw(report)
    files = {CARD: model_card(report, intended_use).encode()}
    for picture in pictures:
        files |= {f"{picture.name}-light.png": picture.light}
        files |= {f"{picture.name}-dark.png": picture.dark}
    files |= {PAGE: render(report, pictures).encode()}
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".draft-") as draft:
        for name, content in files.items():
            (Path(draft) / name).write_bytes(content)
        for name in files:
            (Path(draft) / name).replace(folder / name)
    return folder / PAGE
