"""The one command: what it imports, what it offers, and what it says of a command that it does not know."""

import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand, TyperGroup

import stripwatch.cli
import stripwatch.export.cli
import stripwatch.training.cli
from stripwatch.worker.common.command_line import LazyCommand, LazyGroup
from stripwatch.worker.common.version import __version__

ROOT = Path(__file__).parents[1]
HEAVY = {
    *("cv2", "kafka", "keras", "matplotlib", "msgspec", "numpy", "onnx", "onnxruntime", "prometheus_client"),
    *("pydantic", "pydantic_settings", "rich", "sklearn", "structlog", "tensorflow", "tf2onnx"),
}
TABLES = {
    "stripwatch": stripwatch.cli.COMMANDS,
    "stripwatch train": stripwatch.training.cli.COMMANDS,
    "stripwatch export": stripwatch.export.cli.COMMANDS,
}
ROWS = [(program, row) for program, table in TABLES.items() for row in table]
IDS = [f"{program} {row.name}" for program, row in ROWS]


def run(*arguments: str, module: str = "stripwatch") -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", module, *arguments], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize(
    "arguments", [[], ["--help"], ["--version"], ["train", "--help"], ["export", "--help"], ["trian"], ["export", "x"]]
)
def test_help_of_a_group_imports_no_command(arguments: list[str]) -> None:
    script = (
        "import atexit, sys, stripwatch.cli; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
        "stripwatch.cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], cwd=ROOT, capture_output=True, text=True)
    modules = set(done.stderr.splitlines()[-1].split())
    assert "stripwatch.cli" in modules
    typers_own = {"pydantic"} if arguments != ["--help"] else set()  # typer reads values of options with it
    assert modules & (HEAVY - typers_own) == set()


@pytest.mark.parametrize(("program", "row"), ROWS, ids=IDS)
def test_a_row_says_the_first_line_of_the_command_s_own_help(program: str, row: LazyCommand) -> None:
    command = row.load()
    assert command.help is not None
    assert row.help == command.help.splitlines()[0]


@pytest.mark.parametrize(("program", "row"), ROWS, ids=IDS)
def test_an_example_in_a_help_text_is_a_command_that_exists(program: str, row: LazyCommand) -> None:
    command = row.load()
    texts = [command.help or "", *(sub.help or "" for sub in getattr(command, "commands", {}).values())]
    for first, second in re.findall(r"(?<=[:\s`'])stripwatch (\w+) (\S+)", "\n".join(texts)):
        group = f"stripwatch {first}"
        names = {known.name for known in TABLES.get(group, TABLES["stripwatch"])}
        assert (second if group in TABLES else first) in names


def test_the_tables_hold_every_command_of_the_project() -> None:
    """A function with an option of typer is a command, or else nobody can call it."""
    targets = {row.target for _, row in ROWS if not row.target.endswith(".cli:app")}
    commands = "stripwatch.worker.commands"
    groups = {f"{commands}.rejects:rejects", f"{commands}.config:config"}
    assert set(functions_with_options()) == targets - groups | {
        f"{commands}.rejects:list_rejects",
        f"{commands}.rejects:replay",
        f"{commands}.config:migrate",
    }


def functions_with_options() -> Iterator[str]:
    for package in ("worker", "training", "export"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if "import typer" not in path.read_text():
                continue
            module = importlib.import_module(".".join(["stripwatch", *path.relative_to(ROOT).with_suffix("").parts]))
            for name, function in vars(module).items():
                if inspect.isfunction(function) and function.__module__ == module.__name__ and takes_options(function):
                    yield f"{module.__name__}:{name}"


def takes_options(function: Callable[..., object]) -> bool:
    try:
        hints = inspect.get_annotations(function, eval_str=True)
    except NameError:  # typer could not read its options either
        return False
    kinds = (typer.models.OptionInfo, typer.models.ArgumentInfo)
    return any(isinstance(each, kinds) for hint in hints.values() for each in getattr(hint, "__metadata__", ()))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["inspekt"], "error: No such command 'inspekt'. Did you mean 'inspect'? See 'stripwatch --help'"),
        (
            ["train", "evalute"],
            "error: No such command 'evalute'. Did you mean 'evaluate'? See 'stripwatch train --help'",
        ),
        (["export", "zzz"], "error: No such command 'zzz'; see 'stripwatch export --help'"),
        (
            ["contracts", "--out", "x"],
            "error: The command 'contracts' is now called 'schemas'; see 'stripwatch --help'",
        ),
        (["export", "verify"], "error: Missing argument 'FILE'; see 'stripwatch export verify --help'"),
        (["train", "fit", "--data", "x"], "error: Missing option '--network'; see 'stripwatch train fit --help'"),
    ],
)
def test_a_wrong_word_is_one_sentence_and_exit_2(arguments: list[str], says: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{says}\n")


def test_what_is_used_most_comes_first() -> None:
    text = run("--help").stdout
    names = re.findall(r"^  (\w+) {2,}", text.partition("Commands:")[2], re.MULTILINE)
    assert names == [row.name for row in TABLES["stripwatch"]]
    assert names[:3] == ["run", "check", "inspect"]
    assert run().stdout == text


@pytest.mark.parametrize(
    ("module", "program"),
    [
        *(("stripwatch", "stripwatch"), ("worker", "stripwatch")),
        *(("training", "stripwatch train"), ("export", "stripwatch export")),
    ],
)
def test_each_module_is_the_command_or_a_group_of_it(module: str, program: str) -> None:
    assert run("--help", module=module).stdout.startswith(f"Usage: {program} [OPTIONS] COMMAND [ARGS]...")
    assert run("--version", module=module).stdout == f"stripwatch {__version__}\n"
    assert f"see '{program} --help'" in run("zzz", module=module).stderr


def test_version_does_not_start_a_command() -> None:
    done = run("--version", "run")
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(self: LazyCommand) -> TyperCommand | TyperGroup:
        raise KeyboardInterrupt

    monkeypatch.setattr(LazyCommand, "load", interrupted)
    monkeypatch.setattr(sys, "argv", ["stripwatch", "run"])
    with pytest.raises(SystemExit) as ended:
        stripwatch.cli.main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_a_group_is_typed_like_any_other() -> None:
    group = typer.main.get_group(stripwatch.cli.app)
    assert isinstance(group, LazyGroup)
    assert isinstance(group.get_command(None, "rejects"), TyperGroup)
    assert isinstance(group.get_command(None, "run"), TyperCommand)
    assert group.get_command(None, "no") is None
