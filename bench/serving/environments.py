"""One environment per peer, made by uv from exact pins; failures are reported."""

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from contenders import Contender
from measure import Place
from project import BUILD, PreparationError, Project, run, say, tools

PACKAGES = (
    "uvicorn",
    "fastapi",
    "mlserver",
    "kserve",
    "litserve",
    "bentoml",
    "numba",
    "numpy",
)


def prepare(
    contenders: Sequence[Contender], project: Project
) -> tuple[dict[str, Place], dict[str, str]]:
    """Places by contender name; for those that could not be installed, the reason."""
    places: dict[str, Place] = {}
    failed: dict[str, str] = {}
    for contender in contenders:
        try:
            places[contender.name] = (
                _environment(contender.folder)
                if contender.folder
                else _runtime(project)
            )
        except PreparationError as error:
            failed[contender.name] = str(error)
            say(f"cannot install {contender.title}: {error}")
    return places, failed


def versions(
    contenders: Sequence[Contender], places: dict[str, Place]
) -> dict[str, str]:
    """What each environment says is in it, of the packages that matter here."""
    found: dict[str, str] = {}
    for contender in contenders:
        if contender.only_start or contender.name not in places:
            continue
        python = places[contender.name].executables / "python"
        listed = run(
            [
                str(tools() / "uv"),
                "pip",
                "list",
                "--python",
                str(python),
                "--format",
                "freeze",
            ]
        )
        pins = dict(line.split("==") for line in listed.splitlines() if "==" in line)
        found[contender.name] = ", ".join(
            f"{p} {pins[p]}" for p in PACKAGES if p in pins
        )
    return found


def _runtime(project: Project) -> Place:
    """What the image has, as each peer has only what it needs to serve.

    With the development tools beside it, Numba finds SciPy and coverage and loads both.
    """
    place = BUILD / "environments" / "product"
    say("installing what the product needs to serve")
    run(
        [str(tools() / "uv"), "sync", "--quiet", "--no-default-groups"],
        project.folder,
        UV_PROJECT_ENVIRONMENT=str(place),
    )
    return Place(place / "bin", project.folder)


def _environment(folder: Path) -> Place:
    requirements = folder / "requirements.txt"
    digest = hashlib.sha256(
        requirements.read_bytes() + sys.version.encode()
    ).hexdigest()
    place = BUILD / "environments" / folder.name
    stamp = place / "installed"
    if not stamp.exists() or stamp.read_text() != digest:
        say(f"installing {folder.name}")
        uv = str(tools() / "uv")
        python = str(place / "bin" / "python")
        run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(place)])
        run(
            [
                uv,
                "pip",
                "install",
                "--quiet",
                "--python",
                python,
                "-r",
                str(requirements),
            ]
        )
        stamp.write_text(digest)
    return Place(place / "bin", folder)
