"""Removes folders that conditional files left empty, and says how to go on."""

from pathlib import Path

KEPT = {".git", ".venv"}

project = Path.cwd()
folders = [each for each in project.rglob("*") if each.is_dir()]
for folder in sorted(folders, reverse=True):
    inside = folder.relative_to(project).parts
    if inside[0] not in KEPT and not any(folder.iterdir()):
        folder.rmdir()

print(f"""
{project.name} is ready. Go on with:

    cd {project.name}
    make setup    # its own environment
    make train    # a model from the sample data
    make serve    # predictions over HTTP
""")
