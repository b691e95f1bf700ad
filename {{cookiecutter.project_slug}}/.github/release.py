"""What a release needs besides the image: its notes, and one name for both processors.

    python .github/release.py notes       the section of CHANGELOG.md for the tag in TAG
    python .github/release.py processors  processors that the learned version runs on
    python .github/release.py index       one name for the images in build/digests

Fails: when the tag, pyproject.toml and CHANGELOG.md do not agree on the version.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


def notes(tag: str, project: Path = PROJECT) -> str:
    """What CHANGELOG.md says of the version. Fails: ValueError says what to write."""
    described = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    version = described["project"]["version"]
    if tag != f"v{version}":
        expected = f"v{version}, as pyproject.toml has it"
        raise ValueError(f"TAG: expected {expected}, received {tag!r}")
    changelog = (project / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = rf"^## \[?{re.escape(version)}\]? - 2\d\d\d-\d\d-\d\d\n(.*?)(?=^## |\Z)"
    found = re.search(heading, changelog, re.MULTILINE | re.DOTALL)
    if not found or not found[1].strip():
        heading = f"## {version} - YYYY-MM-DD"
        raise ValueError(f"CHANGELOG.md: expected '{heading}' and notes")
    return found[1].strip()


def processors(models: Path = PROJECT / "models") -> list[str]:
    """TVM's library fits only the kind of processor that the model was trained on.

    An image for another kind would compile at each start, which its build refuses.
    """
    return ["amd64"] if any(models.rglob("model.*.so")) else ["amd64", "arm64"]


def index(name: str, tag: str, digests: list[str]) -> str:
    """The digest of one image for all processors, which the tag then names."""
    tagged = f"{name}:{tag.removeprefix('v')}"
    parts = [f"{name}@sha256:{each}" for each in digests]
    create = ["docker", "buildx", "imagetools", "create", "--tag", tagged, *parts]
    subprocess.run(create, check=True)
    inspect = ["docker", "buildx", "imagetools", "inspect", tagged]
    shown = subprocess.run(inspect, check=True, capture_output=True, text=True).stdout
    found = re.search(r"^Digest:\s+(sha256:[0-9a-f]{64})\s*$", shown, re.MULTILINE)
    if not found:
        raise ValueError(f"{tagged}: expected a digest, received {shown!r:.200}")
    return found[1]


def output(lines: str) -> None:
    """Set outputs for later steps of the workflow."""
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
        print(lines, file=file)


def main(wanted: list[str]) -> None:
    tag = os.environ.get("TAG", "")
    try:
        told = notes(tag)
        if wanted == ["notes"]:
            print(told)
        elif wanted == ["processors"]:
            output(f"list={json.dumps(processors())}")
        elif wanted == ["index"]:
            name = "ghcr.io/" + os.environ["GITHUB_REPOSITORY"].lower()
            folder = PROJECT / "build" / "digests"
            digest = index(name, tag, sorted(each.name for each in folder.iterdir()))
            output(f"name={name}\ndigest={digest}")
        else:
            raise ValueError(f"expected notes, processors or index, received {wanted}")
    except (ValueError, OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
