"""Adds the team's files, removes other targets' folders, and says how to go on."""

import json
from base64 import b64decode
from pathlib import Path

project = Path.cwd()
files_of_team = b64decode("{{ cookiecutter | files_of_team }}")
for name, text in json.loads(files_of_team).items():
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    (project / name).write_text(text, encoding="utf-8")

# Files of other targets have conditional names and aren't made; their folders are left.
targets = project / "deploy"
folders = [each for each in [targets, *targets.rglob("*")] if each.is_dir()]
for folder in sorted(folders, reverse=True):
    if not any(folder.iterdir()):
        folder.rmdir()

print(f"""
{project.name} is ready. Go on with:

    cd {project.name}
    make setup    # its own environment
    make train    # a model from the sample data
    make serve    # predictions over HTTP
""")
