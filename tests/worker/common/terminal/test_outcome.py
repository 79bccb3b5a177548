import io
import json
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import pytest
import typer
from rich.console import Console
from rich.table import Table

from stripwatch.worker.common.errors import InputError
from stripwatch.worker.common.terminal.command_line import LazyCommand
from stripwatch.worker.common.terminal.outcome import JsonFile, Outcome, command_text, finish, print_outcome

ACCURACY = {"value": 0.98611, "low": 0.9723, "high": 0.99338}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def use_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Make stdout a terminal. A fixture could not, because pytest replaces stdout once more before the test."""
    replacement = Terminal()
    monkeypatch.setattr(sys, "stdout", replacement)
    return replacement


def outcome() -> Outcome:
    table = Table("label")
    table.add_column("frames", justify="right")
    table.add_row("scratch", "1200")
    return Outcome(
        {"run": "runs/first", "accuracy": ACCURACY},
        facts={"accuracy": "0.9861"},
        tables=[table],
        next_steps=[command_text("train", "evaluate", Path("runs/first"))],
        files={"report": Path("runs/first/report.html")},
    )


def test_in_a_pipe_stdout_is_one_json_object_and_stderr_has_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    finish(outcome())
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {"run": "runs/first", "accuracy": ACCURACY}
    assert "scratch" in printed.err
    assert printed.err.endswith("next: stripwatch train evaluate runs/first\nreport: runs/first/report.html\n")


def test_a_listing_in_a_pipe_is_followed_by_the_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    finish(replace(outcome(), listing=True))
    printed = capsys.readouterr()
    assert "scratch" in printed.out
    assert json.loads(printed.out.splitlines()[-1]) == {"run": "runs/first", "accuracy": ACCURACY}
    assert printed.err == ""


def test_a_terminal_gets_the_table_and_no_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = use_terminal(monkeypatch)
    finish(outcome())
    printed = terminal.getvalue()
    assert "accuracy  0.9861" in printed
    assert "next: stripwatch train evaluate runs/first\n" in printed
    assert "{" not in printed
    assert capsys.readouterr().err == ""


def test_a_file_gets_the_json_object_and_stdout_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "result.json"
    finish(outcome(), file)
    assert json.loads(file.read_text()) == {"run": "runs/first", "accuracy": ACCURACY}
    printed = capsys.readouterr()
    assert "accuracy  0.9861" in printed.out
    assert printed.err == ""


def test_a_hyphen_gives_json_only(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = use_terminal(monkeypatch)
    finish(outcome(), Path("-"))
    assert json.loads(terminal.getvalue())["run"] == "runs/first"


def shown(result: Outcome, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, markup=False, highlight=False)
    print_outcome(result, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_command_to_copy_is_not_wrapped() -> None:
    step = command_text("export", "run", Path("runs/" + "x" * 100), "--out", Path("model.onnx"))
    assert f"next: {step}\n" in shown(Outcome({}, next_steps=[step]))


def test_a_long_value_is_continued_in_its_column() -> None:
    lines = shown(Outcome({}, facts={"data": "images/" + "x" * 100})).splitlines()
    assert len(lines) == 2
    assert all(len(line) <= 80 for line in lines)


@pytest.mark.parametrize(
    "name",
    [
        "runs/first",
        "my runs/it's",
        "$HOME;ls",
        "-leading",
        "tab\there",
        "new\nline",
        "quote'\x1b[31m",
        "a\\nb\x07",
        "\udcff",
    ],
)
def test_a_shell_reads_a_suggested_path_as_it_was(name: str) -> None:
    text = command_text("train", "evaluate", Path(name))
    assert text.isprintable()
    line = text.removeprefix("stripwatch train evaluate ")
    done = subprocess.run(["/bin/bash", "-c", f"printf %s {line}"], capture_output=True, check=True)
    assert done.stdout.decode("utf-8", "surrogateescape").removeprefix("./") == name


def test_ordinary_paths_are_not_quoted() -> None:
    text = command_text("export", "run", Path("runs/first"), "--out", Path("model.onnx"))
    assert shlex.split(text) == text.split() == ["stripwatch", "export", "run", "runs/first", "--out", "model.onnx"]


def show(file: Annotated[Path, typer.Argument()], json_file: JsonFile = None) -> None:
    print(f"{file} {json_file}")


def run(capsys: pytest.CaptureFixture[str], *words: str, bare_json: bool = True) -> str:
    LazyCommand("show", f"{__name__}:show", "Show.", bare_json=bare_json).load()(list(words), standalone_mode=False)
    return capsys.readouterr().out.strip()


def test_json_without_a_file_means_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "a.onnx", "--json") == "a.onnx -"
    assert run(capsys, "a.onnx", "--json", "-") == "a.onnx -"
    assert run(capsys, "--json", "--", "a.onnx") == "a.onnx -"
    assert run(capsys, "a.onnx") == "a.onnx None"


def test_an_argument_taken_as_json_file_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.TyperException, match=r"takes a file, here .a\.onnx.*write --json - for stdout"):
        run(capsys, "--json", "a.onnx")


def test_a_command_can_require_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.TyperException, match="needs a FILE for the JSON object, or - for stdout"):
        run(capsys, "a.onnx", "--json", bare_json=False)


def test_a_json_file_that_cannot_be_written_is_an_error_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tmp_path / "model.onnx"
    bundle.write_bytes(b"bundle")
    with pytest.raises(InputError, match=r"replaced only if its name ends with \.json"):
        run(capsys, "a.onnx", "--json", str(bundle))
    with pytest.raises(InputError, match="is a folder"):
        run(capsys, "a.onnx", "--json", str(tmp_path))
    with pytest.raises(InputError, match="does not exist"):
        run(capsys, "a.onnx", "--json", str(tmp_path / "no" / "a.json"))
    (tmp_path / "old.json").write_text("{}")
    assert run(capsys, "a.onnx", "--json", str(tmp_path / "old.json")).endswith("old.json")
