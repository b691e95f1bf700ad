"""What holds for every command: help, usage, settings, completion by the shell."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.shell_completion import (
    BashComplete,
)
from outcomes import (
    Run,
)

from {{cookiecutter.__package_name}} import (
    MODEL_NAME,
    cli,
)
from {{cookiecutter.__package_name}}.artifacts.store import (
    Store,
)

OPTIONS = {
    "": ["--version", "--verbose", "--help"],
    "train": [
        "--contract",
        "--thresholds",
        "--test-share",
        "--seed",
        "--batch-rows",
        "--update",
        "--json",
        "--help",
    ],
    "evaluate": [
        "--version",
        "--contract",
        "--thresholds",
        "--report",
        "--no-report",
        "--against",
        "--summary",
        "--json",
        "--help",
    ],
    "adopt": ["--sample", "--contract", "--thresholds", "--json", "--help"],
    "predict": ["--version", "--output", "--contract", "--help"],
    "score": [
        "--version",
        "--contract",
        "--keep",
        "--format",
        "--part-mb",
        "--scheduler",
        "--json",
        "--help",
    ],
    "serve": ["--host", "--port", "--help"],
    "smoke": ["--timeout", "--version", "--json", "--help"],
    "warm": ["--check", "--help"],
    "compare": [
        "--data",
        "--metrics",
        "--margin",
        "--contract",
        "--json",
        "--help",
    ],
    "drift": [
        "--version",
        "--contract",
        "--alpha",
        "--psi",
        "--output",
        "--json",
        "--help",
    ],
    "models": ["--help"],
    "models list": ["--json", "--help"],
    "models show": ["--help"],
    "models promote": ["--force", "--json", "--help"],
    "models rollback": ["--json", "--help"],
    "models prune": ["--keep", "--yes", "--json", "--help"],
    "models copy": ["--version", "--json", "--help"],
}


def commands(command: click.Command, path: str = "") -> dict[str, click.Command]:
    found = {path: command}
    for name, child in getattr(command, "commands", {}).items():
        found |= commands(child, f"{path} {name}".strip())
    return found


def test_every_command_is_in_the_table_of_options() -> None:
    assert sorted(commands(cli.commands)) == sorted(OPTIONS)


@pytest.mark.parametrize("command", OPTIONS)
def test_help_names_every_option(run: Run, command: str) -> None:
    code, out, err = run(*command.split(), "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: {MODEL_NAME}")
    assert re.findall(r"^ +(?:-\w, )?(--[\w-]+)", out, re.MULTILINE) == OPTIONS[command]
    assert run(*command.split(), "-h").out == out


def test_the_version_is_that_of_the_project(run: Run, project: Path) -> None:
    stated = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))
    version = stated["project"]["version"]
    assert run("--version") == (0, f"{MODEL_NAME} {version}\n", "")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["brew"], "No such command 'brew'"),
        (["train", "--sed", "1"], "No such option '--sed'"),
        (["train", "--seed", "one"], "'one' is not a valid integer"),
        (["train", "none.csv"], "File 'none.csv' does not exist"),
        (["train", "--test-share", "1"], "1.0 is not in the range 0<x<1"),
        (["train", "--batch-rows", "0"], "0 is not in the range x>=1"),
        (["predict", "data"], "File 'data' is a directory"),
        (["models", "promote"], "Missing argument 'VERSION'"),
    ],
)
def test_wrong_usage_ends_with_2(run: Run, words: list[str], complaint: str) -> None:
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert complaint in err


@pytest.mark.parametrize(
    ("name", "value", "words", "complaint"),
    [
        ("ML_PORT", "eighty", ["models", "list"], "a port, 0 to 65535, received 'eigh"),
        ("ML_PROT", "8080", ["train"], "one of ML_MODEL_URI, ML_HOST, ML_PORT, ML_LOG"),
        ("ML_DOCS", "maybe", ["serve"], "true or false, received 'maybe'\n"),
    ],
)
def test_a_bad_setting_ends_every_command_with_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, name, value, words, complaint
) -> None:
    monkeypatch.setenv(name, value)
    code, out, err = run(*words)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"error: {name}: expected {complaint}")


def test_an_option_that_cannot_be_a_setting_is_refused(run: Run) -> None:
    refused = "error: ML_PORT: expected a port, 0 to 65535, received '99999'\n"
    assert run("serve", "--port", 99999) == (1, "", refused)
    refused = "error: ML_HOST: expected an address to listen on, received ''\n"
    assert run("serve", "--host", "") == (1, "", refused)


def test_a_store_that_cannot_be_written_is_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ML_MODEL_URI", str(tmp_path / "file"))
    code, out, err = run("train")
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert repr(str(tmp_path / "file"))[1:-1] in err, "as Windows shows it, too"


@pytest.fixture
def complete(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """What the shell bash would offer for the last word."""
    variable = f"_{MODEL_NAME}_COMPLETE".replace("-", "_").upper()

    def complete(line: str) -> list[str]:
        monkeypatch.setenv(variable, "bash_complete")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        code, out, err = run()
        assert (code, err) == (0, "")
        return [each.partition(",")[2] for each in out.split()]

    return complete


def test_the_shell_completes_commands_options_and_versions(
    complete: Callable[[str], list[str]], store: Store, tmp_path: Path
) -> None:
    assert complete(f"{MODEL_NAME} ev") == ["evaluate"]
    assert complete(f"{MODEL_NAME} train --b") == ["--batch-rows"]
    assert complete(f"{MODEL_NAME} models pr") == ["promote", "prune"]
    serving = store.serving()
    assert complete(f"{MODEL_NAME} predict --version 2") == [serving]
    assert complete(f"{MODEL_NAME} models promote x") == []


def test_a_store_that_can_t_be_read_completes_nothing(
    complete: Callable[[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ML_MODEL_URI", "ftp://nowhere")
    assert complete(f"{MODEL_NAME} models show 2") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_is_given_a_script(
    run: Run, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    # Whichever bash is here, or none: click says on stderr what it thinks of it.
    monkeypatch.setattr(BashComplete, "_check_version", lambda _: None)
    variable = f"_{MODEL_NAME}_COMPLETE".replace("-", "_").upper()
    monkeypatch.setenv(variable, f"{shell}_source")
    code, out, err = run()
    assert (code, err) == (0, "")
    assert f"{variable}={shell}_complete" in out


@pytest.mark.parametrize("words", OPTIONS)
def test_every_help_fits_a_terminal_and_explains_every_option(
    run: Run, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = run(*words.split(), "--help").out
    assert max(map(len, out.splitlines())) <= 80
    command: click.Command = cli.commands
    for word in words.split():
        command = command.commands[word]
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert [each.name for each in options if not each.help] == []
    listed = out.partition("\nCommands:")[2]
    assert "..." not in listed, "a command's summary is cut off"
