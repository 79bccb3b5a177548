"""A long command that is interrupted says how to continue, and has the exit code of the signal."""

import os
import signal
import subprocess
import sys

import pytest

from stripwatch.worker.common.errors import InterruptedCommandError
from stripwatch.worker.common.terminal.interruption import environment_of_part, hint_if_interrupted

COMMAND = """
import time, typer
from stripwatch.worker.common.terminal.command_line import LazyCommand, new_app, run_app
from stripwatch.worker.common.terminal.interruption import given_command, hint_if_interrupted

def work(folder: str, resume: bool = typer.Option(False, "--resume")) -> None:
    with hint_if_interrupted(lambda: f"; continue with: {given_command('--resume')}"):
        print("in", flush=True)
        for _ in range(2000):
            time.sleep(0.05)

run_app(new_app("", [LazyCommand("work", "__main__:work", "")]), "stripwatch train")
"""


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
@pytest.mark.parametrize("given", [[], ["--resume"]])
def test_names_the_command_that_continues(number: signal.Signals, code: int, word: str, given: list[str]) -> None:
    command = [sys.executable, "-c", COMMAND, "work", "my folder", *given]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
    assert process.returncode == code
    assert error == f"error: {word}; continue with: stripwatch train work 'my folder' --resume\n"


def test_the_part_of_a_command_leaves_the_message_to_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment_of_part().items():
        monkeypatch.setitem(os.environ, name, value)
    with pytest.raises(KeyboardInterrupt), hint_if_interrupted(lambda: "hint"):
        raise KeyboardInterrupt


def test_the_handler_of_sigterm_is_restored() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(InterruptedCommandError, match=r"^terminated; hint$"), hint_if_interrupted(lambda: "; hint"):
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
