"""The first signal asks, the second ends, also in a process that cannot look at them: it is in a native call."""

import os
import signal
import subprocess
import sys

import pytest

from stripwatch.worker.common.clock import SystemClock
from stripwatch.worker.common.signals import stop_on_signal

NATIVE = """
import ctypes, sys, time
from stripwatch.worker.common.signals import ended_at_once_by_signals
with ended_at_once_by_signals(first_process=sys.argv[1] == "first"):
    print("in", flush=True)
    ctypes.CDLL(None).pause() if sys.argv[2] == "native" else sys.stdin.read()
print("out", flush=True)
for _ in range(2000):  # Python may miss a signal just before a long call, until that returns
    time.sleep(0.05)
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


# Does not stop when it is asked to, as a command that hangs.
HANGS = """
import sys, time
from contextlib import nullcontext
from stripwatch.worker.common.signals import interrupted_once, stop_on_signal
asked = lambda: print("asked", flush=True)
def hang():
    try:
        print("in", flush=True)
        wait()
    except KeyboardInterrupt:
        asked()
        wait()
def wait():
    for _ in range(2000):  # as above
        time.sleep(0.05)
with interrupted_once(), stop_on_signal(asked) if sys.argv[1] == "command" else nullcontext():
    hang()
"""


def test_a_signal_asks_and_the_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    clock = SystemClock()
    with stop_on_signal(clock.stop):
        os.kill(os.getpid(), signal.SIGTERM)
        clock.sleep(3600)
        assert clock.stopped
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("kind", "number"),
    [("command", signal.SIGTERM), ("command", signal.SIGINT), ("any other", signal.SIGINT)],
)
def test_a_second_signal_ends_a_command_that_hangs(kind: str, number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", HANGS, kind], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        assert process.stdout.readline() == "asked\n"
        process.send_signal(number)
        assert process.wait(60) == -number


def test_one_signal_of_each_kind_only_asks() -> None:
    """A terminal sends SIGINT to all, and a program that started this one may send SIGTERM after it."""
    asked: list[None] = []
    with stop_on_signal(lambda: asked.append(None)):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
    assert len(asked) == 2
