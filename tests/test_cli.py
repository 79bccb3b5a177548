"""The `stripwatch` command: lazy imports, help texts, and errors for unknown commands."""

import importlib
import inspect
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

import stripwatch.cli
import stripwatch.export.cli
import stripwatch.training.cli
from stripwatch.worker.commands import config, rejects
from stripwatch.worker.common.errors import BundleError, InputError, StripwatchError
from stripwatch.worker.common.terminal.command_line import LazyCommand, LazyGroup
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
    "stripwatch rejects": rejects.COMMANDS,
    "stripwatch config": config.COMMANDS,
}
ROWS = [(program, row) for program, table in TABLES.items() for row in table]
IDS = [f"{program} {row.name}" for program, row in ROWS]


InProcess = Callable[..., tuple[int, str, str]]


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> InProcess:
    """Run `stripwatch WORDS` in this process, which takes less time. Return exit code, stdout and stderr."""

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["stripwatch", *words])
        with pytest.raises(SystemExit) as ended:
            stripwatch.cli.main()
        assert isinstance(ended.value.code, int)
        return ended.value.code, *capsys.readouterr()

    return call


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
def test_a_row_is_the_first_line_of_the_commands_help(program: str, row: LazyCommand) -> None:
    command = row.load()
    assert command.help is not None
    assert row.help == command.help.splitlines()[0]


@pytest.mark.parametrize(("program", "row"), ROWS, ids=IDS)
def test_examples_in_help_texts_are_existing_commands(program: str, row: LazyCommand) -> None:
    command = row.load()
    for first, second in re.findall(r"(?<=[:\s`'])stripwatch (\w+) (\S+)", command.help or ""):
        group = f"stripwatch {first}"
        names = {known.name for known in TABLES.get(group, TABLES["stripwatch"])}
        assert (second if group in TABLES else first) in names


def test_the_tables_contain_every_command() -> None:
    """A function with typer options is a command, and is available only if a table contains it."""
    groups = {".cli:app", ".rejects:rejects", ".config:config"}
    targets = {row.target for _, row in ROWS if not row.target.endswith(tuple(groups))}
    assert set(functions_with_options()) == targets


def functions_with_options() -> Iterator[str]:
    for package in ("worker", "training", "export"):
        for path in sorted((ROOT / package).rglob("*.py")):
            text = path.read_text()
            if "import typer" not in text and "_options" not in text:
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
        (["inspekt"], "error: no such command 'inspekt'. Did you mean 'inspect'? See 'stripwatch --help'"),
        (
            ["train", "evalute"],
            "error: no such command 'evalute'. Did you mean 'evaluate'? See 'stripwatch train --help'",
        ),
        (["export", "zzz"], "error: no such command 'zzz'; see 'stripwatch export --help'"),
        (
            ["contracts", "--out", "x"],
            "error: the command 'contracts' is now called 'schemas'; see 'stripwatch --help'",
        ),
        (["export", "verify"], "error: missing argument 'FILE'; see 'stripwatch export verify --help'"),
        (["run", "--set"], "error: option '--set' requires an argument; see 'stripwatch run --help'"),
        (
            ["rejects", "list", "--since"],
            "error: option '--since' requires an argument; see 'stripwatch rejects list --help'",
        ),
        (["train", "fit", "--data", "x"], "error: missing option '--network'; see 'stripwatch train fit --help'"),
    ],
)
def test_a_wrong_command_line_gives_a_one_line_error_and_exit_code_2(arguments: list[str], says: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{says}\n")


GROUPS = [[], *(program.split()[1:] for program in TABLES if program != "stripwatch")]
PAGES = [*GROUPS, *([*program.split()[1:], row.name] for program, row in ROWS)]


@pytest.mark.parametrize("words", PAGES, ids=" ".join)
def test_every_help_page_is_plain_text(words: list[str], in_process: InProcess) -> None:
    code, page, stderr = in_process(*words, "--help")
    assert (code, stderr) == (0, "")
    assert page.startswith(f"Usage: {' '.join(['stripwatch', *words])} ")
    assert "-completion" not in page
    assert not re.search("[\u2500-\u257f]", page)


@pytest.mark.parametrize("words", GROUPS, ids=" ".join)
def test_a_group_without_a_command_prints_its_help(words: list[str], in_process: InProcess) -> None:
    assert in_process(*words) == in_process(*words, "--help")


def test_every_group_is_in_the_tables() -> None:
    groups = {f"{program} {row.name}" for program, row in ROWS if isinstance(row.load(), TyperGroup)}
    assert {"stripwatch", *groups} == TABLES.keys()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["run", "--config"], InputError),
        (["run", "--bundle"], BundleError),
        (["check", "--bundle"], BundleError),
        (["inspect", "--bundle", "b", "--out", "o"], InputError),
        (["config", "migrate"], InputError),
        (["train", "survey"], InputError),
        (["export", "list"], InputError),
        (["export", "show"], BundleError),
        (["export", "verify"], BundleError),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_invalid_file_name_gives_a_one_line_error(
    in_process: InProcess, words: list[str], error: type[StripwatchError]
) -> None:
    code, stdout, stderr = in_process(*words, "a" * 5000)
    assert code == error.exit_code
    assert stdout == "" or json.loads(stdout)["ok"] is False  # check also reports the rest
    assert re.fullmatch("error: .*File name too long", stderr.splitlines()[-1])
    assert "Traceback" not in stderr


def test_the_most_used_commands_come_first() -> None:
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
def test_each_module_runs_the_command_or_a_group_of_it(module: str, program: str) -> None:
    assert run("--help", module=module).stdout.startswith(f"Usage: {program} [OPTIONS] COMMAND [ARGS]...")
    assert run("--version", module=module).stdout == f"stripwatch {__version__}\n"
    assert f"see '{program} --help'" in run("zzz", module=module).stderr


def test_version_starts_no_command() -> None:
    done = run("--version", "run")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("value", ["inf", "-inf", "nan"])
def test_a_number_that_is_not_finite_is_refused(in_process: InProcess, value: str) -> None:
    code, _, error = in_process("train", "frontier", "--data", "x", "--out", "y", "--network", "z", "--other-ms", value)
    assert code == 2
    assert error.startswith("error: --other-ms must be ")
    assert error.endswith("; see 'stripwatch train frontier --help'\n")


def test_infinity_is_not_a_frame_rate(in_process: InProcess) -> None:
    code, _, error = in_process(
        *("train", "frontier", "--data", "x", "--out", "y", "--network", "z", "--frames-per-second", "inf")
    )
    expected = "error: --frames-per-second must be a finite number; see 'stripwatch train frontier --help'\n"
    assert (code, error) == (2, expected)


def test_ctrl_c_gives_a_one_line_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(self: LazyCommand) -> TyperCommand | TyperGroup:
        raise KeyboardInterrupt

    monkeypatch.setattr(LazyCommand, "load", interrupted)
    monkeypatch.setattr(sys, "argv", ["stripwatch", "run"])
    with pytest.raises(SystemExit) as ended:
        stripwatch.cli.main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_a_full_disk_behind_stdout_gives_a_one_line_error() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "stripwatch", "--help"], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == InputError.exit_code
    assert done.stderr == "error: cannot write the output of the command: No space left on device\n"


def test_a_group_accepts_options_like_any_command() -> None:
    group = typer.main.get_group(stripwatch.cli.app)
    assert isinstance(group, LazyGroup)
    assert isinstance(group.get_command(None, "rejects"), TyperGroup)
    assert isinstance(group.get_command(None, "run"), TyperCommand)
    assert group.get_command(None, "no") is None


# The meaning of this value depends on the command. Every other option is defined once.
BY_COMMAND = {
    "--alpha",
    *(
        "--bootstrap-servers",
        "--boxes",
        "--cache",
        "--cameras",
        "--coil",
        "--config",
        "--data",
        "--frames",
        "--group-id",
        "--json",
    ),
    *(
        "--mm-per-frame",
        "--network",
        "--out",
        "--port",
        "--history",
        "--precision",
        "--provider",
        "--rate",
        "--reason",
        "--seconds",
        "--seed",
        "--set",
        "--shape",
        "--split",
        "--task",
        "--test",
        "--version",
    ),
}


def test_an_option_of_several_commands_has_one_help_text() -> None:
    texts: dict[str, set[str | None]] = {}
    for _, row in ROWS:
        for parameter in row.load().params:
            if isinstance(parameter, TyperOption):
                texts.setdefault(parameter.opts[0], set()).add(parameter.help)
    assert {name for name, found in texts.items() if len(found) > 1} == BY_COMMAND


def test_a_command_without_onnx_runtime_says_what_to_install() -> None:
    hidden = "import sys; sys.modules['onnxruntime'] = None; sys.argv[1:] = ['check', '--bundle', 'model.onnx']; "
    run = "from stripwatch.cli import main; main()"
    done = subprocess.run([sys.executable, "-P", "-c", hidden + run], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "error: ONNX Runtime is not installed; run: pip install onnxruntime\n")
