"""Signals to a process that cannot look at them: it is in a native call."""

import signal
import subprocess
import sys

import pytest

NATIVE = """
import ctypes, sys
from stripwatch.worker.common.process.signals import ended_at_once_by_signals
with ended_at_once_by_signals(first_process=sys.argv[1] == "first"):
    print("in", flush=True)
    ctypes.CDLL(None).pause() if sys.argv[2] == "native" else sys.stdin.read()
print("out", flush=True)
sys.stdin.read()
"""


def start(*words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", NATIVE, *words]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_process_of_a_container_ends_in_a_native_call(number: signal.Signals) -> None:
    with start("first", "native") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        assert process.wait(60) == 128 + number


def test_any_other_process_keeps_the_default_of_the_system() -> None:
    with start("other", "native") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == -signal.SIGTERM


def test_after_the_block_the_first_process_still_ends_by_a_signal() -> None:
    """Linux would ignore one that came before the worker had set its own handler."""
    program = NATIVE.replace("sys.stdin.read()\nprint", "0\nprint")
    with subprocess.Popen(
        [sys.executable, "-c", program, "first", "none"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["in\n", "out\n"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
