import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any, get_args

import pytest
import structlog

from stripwatch.worker.common import log_setup
from stripwatch.worker.common.log_lines import print_error, set_log_process
from stripwatch.worker.common.log_setup import (
    SAME_MAX,
    WINDOW_S,
    RateLimit,
    log_uncaught_errors,
    set_up_logs,
)
from stripwatch.worker.contracts.line.camera_state import Condition

Capture = pytest.CaptureFixture[str]


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    """Clock of a new rate limit. Logging is restored afterwards."""
    clock = Clock()
    monkeypatch.setattr(log_setup, "_limit", RateLimit(clock))
    handlers, level = logging.root.handlers[:], logging.root.level
    kafka = {name: logging.getLogger(name).level for name in ("kafka", "kafka.net", "kafka.cluster", "kafka.protocol")}
    yield clock
    structlog.reset_defaults()
    set_log_process(None)
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    for name, before in kafka.items():
        logging.getLogger(name).setLevel(before)


def lines(capsys: Capture) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_suppresses_and_counts_repeated_warnings(clock: Clock, capsys: Capture) -> None:
    set_up_logs("json", "info")
    log = structlog.get_logger()
    for number in range(100):
        log.warning("commit failed", number=number)
    log.warning("another text")
    clock.seconds = WINDOW_S
    log.error("commit failed", number=100)
    found = lines(capsys)
    shown = [line for line in found if line["event"] == "commit failed"]
    assert [line["number"] for line in shown] == [*range(SAME_MAX), 100]
    assert [line.get("suppressed") for line in shown] == [None] * SAME_MAX + [100 - SAME_MAX]
    assert len(found) == len(shown) + 1


def test_reports_the_last_suppressed_lines_at_shutdown(clock: Clock, capsys: Capture) -> None:
    set_up_logs("json", "info")
    log = structlog.get_logger()
    log_setup.log_suppressed()
    assert capsys.readouterr().err == ""
    for _ in range(SAME_MAX + 3):
        log.warning("commit failed")
    log_setup.log_suppressed()
    assert lines(capsys)[-1]["lines"] == {"commit failed": 3}


@pytest.mark.parametrize("condition", get_args(Condition))
def test_suppresses_repeated_changes_of_every_camera_condition(
    clock: Clock, capsys: Capture, condition: Condition
) -> None:
    set_up_logs("json", "info")
    for _ in range(50):
        structlog.get_logger().warning(f"camera {condition}", camera="top-1")
        structlog.get_logger().info(f"camera no longer {condition}", camera="top-1")
    assert len(lines(capsys)) == 2 * SAME_MAX


def test_does_not_suppress_other_informational_lines(clock: Clock, capsys: Capture) -> None:
    set_up_logs("json", "info")
    for _ in range(50):
        structlog.get_logger().info("partitions assigned")
        structlog.get_logger().info("ready")  # limited, since readiness may change often
    events = [line["event"] for line in lines(capsys)]
    assert (events.count("partitions assigned"), events.count("ready")) == (50, SAME_MAX)


def test_suppresses_repeated_library_messages_by_their_format_string(clock: Clock, capsys: Capture) -> None:
    set_up_logs("json", "info")
    for number in range(100):
        logging.getLogger("kafka.consumer").error("fetch %d failed", number)
    clock.seconds = WINDOW_S
    logging.getLogger("kafka.consumer").error("fetch %d failed", 100)
    found = lines(capsys)
    assert [line["event"] for line in found] == [f"fetch {number} failed" for number in (*range(SAME_MAX), 100)]
    assert found[-1]["suppressed"] == 100 - SAME_MAX
    assert found[-1]["logger"] == "kafka.consumer"


def test_writes_a_plain_text_line_on_a_console(clock: Clock, capsys: Capture) -> None:
    set_up_logs("console", "info")
    structlog.get_logger().warning("frame rejected", frame="inspection.frames-3-1042-9f2c")
    (line,) = capsys.readouterr().err.splitlines()
    assert "frame=inspection.frames-3-1042-9f2c" in line
    assert not line.startswith("{")


def test_limits_the_number_of_remembered_texts(clock: Clock) -> None:
    limit = RateLimit(clock)
    for number in range(5000):
        limit(None, "", {"level": "warning", "event": f"text {number}"})
    assert len(limit._windows) <= 1000


def test_names_the_process_in_each_line_also_in_those_of_libraries(clock: Clock, capsys: Capture) -> None:
    set_up_logs("json", "info", 1)
    structlog.get_logger().info("ready")
    logging.getLogger("a.library").warning("text")
    warnings.showwarning("old", DeprecationWarning, "module.py", 7)
    found = lines(capsys)
    assert [line["event"] for line in found] == ["ready", "text", "old"]
    assert {line["process"] for line in found} == {1}
    assert [found[-1][key] for key in ("logger", "category", "where")] == [
        "py.warnings",
        "DeprecationWarning",
        "module.py:7",
    ]


def test_a_single_process_is_not_named(clock: Clock, capsys: Capture) -> None:
    set_up_logs("json", "info")
    structlog.get_logger().info("ready")
    print_error("no such file")
    written = capsys.readouterr().err.splitlines()
    assert "process" not in json.loads(written[0])
    assert written[1] == "error: no such file"


def test_the_error_that_ends_a_worker_process_names_it(clock: Clock, capsys: Capture) -> None:
    set_up_logs("json", "info", 1)
    print_error("Kafka is unavailable")
    assert capsys.readouterr().err == "error: process 1: Kafka is unavailable\n"


@pytest.mark.parametrize("thread", [False, True])
def test_logs_an_uncaught_error_as_one_line(
    clock: Clock, capsys: Capture, monkeypatch: pytest.MonkeyPatch, thread: bool
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    set_up_logs("json", "info")
    log_uncaught_errors()
    error = ValueError("a fault")
    if thread:
        threading.excepthook(threading.ExceptHookArgs((ValueError, error, None, None)))
    else:
        sys.excepthook(ValueError, error, None)
    (line,) = lines(capsys)
    assert (line["event"], line["error"]) == ("uncaught error", "a fault")
    assert "ValueError: a fault" in line["exception"]
