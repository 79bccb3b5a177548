import io
import json
import sys

import pytest
from rich.console import Console

from stripwatch.worker.common.terminal import console
from stripwatch.worker.common.terminal.console import new_progress, print_summary
from stripwatch.worker.common.terminal.progress import ProgressLines


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_summary_is_json_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary({"frames_sent": 1200})
    assert json.loads(capsys.readouterr().out) == {"frames_sent": 1200}


def test_a_summary_is_a_table_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    print_summary({"frames_sent": 1200})
    assert terminal.getvalue() == "frames sent  1,200\n"


def test_an_output_that_is_not_a_terminal_gets_lines_and_a_terminal_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "STDERR", Console(file=io.StringIO(), force_terminal=False))
    assert isinstance(new_progress(), ProgressLines)
    monkeypatch.setattr(console, "STDERR", Console(file=io.StringIO(), force_terminal=True))
    assert not isinstance(new_progress(), ProgressLines)
