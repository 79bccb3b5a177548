"""Whole log lines: from two processes that write to one pipe or one file, and from fields of any length."""

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import IO, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.common.log_lines import PARTS_MAX, JsonLines, LineWriter

LINES = 4000
WRITER = f"""
import logging, sys, warnings, structlog
from stripwatch.worker.common.log_setup import set_up_logs
set_up_logs("json", "info", int(sys.argv[1]))
log, library = structlog.get_logger(), logging.getLogger("a.library")
for n in range({LINES}):
    if n % 1000 == 999:
        log.info("long", n=n, text="x" * 10_000)
    elif n % 100 == 99:
        warnings.showwarning(f"warning {{n}}", UserWarning, "module.py", n)
    elif n % 2:
        library.warning(f"line {{n}} of a library")
    else:
        log.info("line", n=n, text="x" * (n % 3000))
"""


def run_two(target: IO[bytes] | int) -> list[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", WRITER]
    return [subprocess.Popen([*command, str(number)], stderr=target) for number in range(2)]


def check_lines(data: bytes) -> None:
    """Every line is a JSON object that names its process, and none is missing."""
    lines = [json.loads(line) for line in data.splitlines()]
    assert data.endswith(b"\n")
    ended = [line for line in lines if line.get("part", "1/1").split("/")[0] == line.get("part", "1/1").split("/")[1]]
    assert Counter(line["process"] for line in ended) == {0: LINES, 1: LINES}


def test_two_processes_write_whole_lines_to_one_pipe() -> None:
    read, write = os.pipe()
    children = run_two(write)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        data = pipe.read()
    assert [child.wait() for child in children] == [0, 0]
    assert max(map(len, data.splitlines())) < 4096
    check_lines(data)


def test_two_processes_write_whole_lines_to_one_file(tmp_path: Path) -> None:
    file = tmp_path / "log"
    with file.open("ab") as target:
        assert [child.wait() for child in run_two(target)] == [0, 0]
    data = file.read_bytes()
    assert max(map(len, data.splitlines())) > 10_000, "a file takes long lines"
    check_lines(data)


def parts(line: dict[str, Any], limit: int = 1000) -> list[dict[str, Any]]:
    texts = JsonLines(limit)(None, "info", line).split("\n")
    assert all(len(text) < limit for text in texts)
    return [json.loads(text) for text in texts]


def test_a_short_line_is_left_as_it_is() -> None:
    line = {"event": "ready", "level": "info", "n": 1}
    assert parts(line) == [line]


@given(st.text(min_size=10, max_size=100), st.integers())
def test_the_parts_of_a_long_line_hold_its_whole_text(short: str, n: int) -> None:
    text = short * 100
    found = parts({"event": "uncaught error", "level": "critical", "process": 1, "n": n, "exception": text})
    assert "".join(part.get("exception", "") for part in found) == text
    assert [part["n"] for part in found if "n" in part] == [n]
    assert {(part["event"], part["level"], part["process"]) for part in found} == {("uncaught error", "critical", 1)}
    assert [part["part"] for part in found] == [f"{k}/{len(found)}" for k in range(1, len(found) + 1)]


def test_many_short_fields_are_distributed_and_keep_their_types() -> None:
    settings = {f"setting_{n}": {"value": n, "on": True} for n in range(100)}
    found = parts({"event": "settings", **settings})
    assert {key: value for part in found for key, value in part.items() if key.startswith("setting_")} == settings


def test_a_long_message_is_shortened_in_each_part_and_whole_in_the_text() -> None:
    found = parts({"event": "e" * 3000, "level": "info"})
    assert all(part["event"] == "e" * 150 + "..." for part in found)
    assert "".join(part["text"] for part in found) == "e" * 3000


def test_an_endless_line_is_truncated() -> None:
    found = parts({"event": "frames", "text": "x" * 1_000_000})
    assert (len(found), found[-1]["truncated"]) == (PARTS_MAX, True)


def test_plain_text_is_split_at_line_ends_on_a_pipe() -> None:
    read, write = os.pipe()
    with os.fdopen(read, "rb") as pipe, os.fdopen(write, "w") as stream:
        writer = LineWriter(stream)
        assert writer.line_bytes_max is not None
        text = "".join(f"line {n} of a traceback\n" for n in range(300))
        assert all(chunk.endswith(b"\n") and len(chunk) <= 4096 for chunk in writer._chunks(text + "y" * 9000 + "\n"))
        writer.write(text)
        stream.close()
        assert pipe.read().decode() == text


def test_a_log_without_a_reader_raises_no_error_and_later_reports_the_lost_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "log"
    with file.open("w") as stream:
        writer = LineWriter(stream)
        write = os.write

        def full(_fd: int, _data: bytes) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        writer.write("first\n")
        writer.write("second\n")
        assert writer.lost == 2
        monkeypatch.setattr(os, "write", write)
        writer.write("third\n")
    report, third = file.read_text().splitlines()
    assert json.loads(report) == {"event": "log lines could not be written", "level": "error", "lines": 2}
    assert third == "third"


def test_a_line_that_interrupts_another_one_in_the_same_thread_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal handler or the garbage collector may log at any moment."""
    file, write = tmp_path / "log", os.write
    with file.open("w") as stream:
        writer = LineWriter(stream)

        def interrupted(fd: int, data: bytes) -> int:
            monkeypatch.setattr(os, "write", write)
            writer.write("inner\n")
            return write(fd, data)

        monkeypatch.setattr(os, "write", interrupted)
        outer = threading.Thread(target=writer.write, args=("outer\n",), daemon=True)
        outer.start()
        outer.join(10)
        assert not outer.is_alive()
    assert file.read_text() == "inner\nouter\n"


def test_a_process_without_stderr_ends_with_the_code_of_its_error() -> None:
    code = "import sys; sys.stderr = None; from stripwatch.export.cli import main; main()"
    command = [sys.executable, "-c", code, "list", "no-registry"]
    assert subprocess.run(command, capture_output=True, check=False, timeout=60).returncode == 6


def test_without_a_stream_nothing_is_written() -> None:
    assert LineWriter(None).write("lost\n") == 5
    assert not LineWriter(None).isatty()
