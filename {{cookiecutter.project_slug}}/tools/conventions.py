"""Opt-in hooks that check commit messages and branch names by docs/conventions.md.

Run as `python tools/conventions.py message FILE`, or `branch`.
"""

import re
import subprocess
import sys
from pathlib import Path

SUBJECT_LENGTH = 72
KINDS = ("feature", "fix", "data", "experiment", "docs", "chore")
BRANCH = re.compile(rf"({'|'.join(KINDS)})/[a-z0-9]+([._-][a-z0-9]+)*")
# Messages and branches that git, hosts and bots make themselves.
MESSAGES_OF_TOOLS = re.compile(r"(Merge|Revert|Bump) |(fixup|squash|amend)! ")
BRANCHES_OF_TOOLS = re.compile(r"HEAD|template-update|(dependabot|renovate)/.*")


def faults_of_message(text: str) -> list[str]:
    lines = [each for each in text.splitlines() if not each.startswith("#")]
    subject = lines[0].rstrip() if lines else ""
    if MESSAGES_OF_TOOLS.match(subject):
        return []
    faults = []
    if not re.match(r"[^\W\d_a-z]\S*( \S+)+$", subject):
        faults.append("the subject is a short sentence that begins with a capital")
    if len(subject) > SUBJECT_LENGTH:
        length = f"{len(subject)} characters, {SUBJECT_LENGTH} at most"
        faults.append(f"the subject has {length}")
    if subject.endswith("."):
        faults.append("the subject has no full stop")
    if len(lines) > 1 and lines[1].strip():
        faults.append("an empty line follows the subject")
    return faults


def faults_of_branch(name: str) -> list[str]:
    if BRANCH.fullmatch(name) or BRANCHES_OF_TOOLS.fullmatch(name):
        return []
    if name == "main":
        return ["main is changed by pull requests only"]
    return [f"a branch is called KIND/subject-in-words, KIND one of {', '.join(KINDS)}"]


def main() -> int:
    if sys.argv[1:2] == ["message"]:
        given = Path(sys.argv[2]).read_text(encoding="utf-8")
        faults = faults_of_message(given)
    else:
        command = ["git", "rev-parse", "--abbrev-ref", "HEAD"]
        shown = subprocess.check_output(command, text=True)  # noqa: S603 - no input
        given = shown.strip()
        faults = faults_of_branch(given)
    subject = (given.splitlines() or [""])[0]
    sys.stderr.writelines(f"{subject!r}: {each}\n" for each in faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
