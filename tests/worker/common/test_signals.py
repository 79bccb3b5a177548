"""The first signal requests a stop, and the second ends the process, even during a native call."""

import os
import signal
import subprocess
import sys

import pytest

from stripwatch.worker.common.clock import SystemClock
from stripwatch.worker.common.signals import stop_on_signal

NATIVE = """
import ctypes, sys, time
from stripwatch.worker.common.signals import exit_on_signals
with exit_on_signals(first_process=sys.argv[1] == "first"):
    print("in", flush=True)
    ctypes.CDLL(None).pause() if sys.argv[2] == "native" else sys.stdin.read()
print("out", flush=True)
for _ in range(2000):  # in short steps: a signal that arrives just before a long call is handled after it
    time.sleep(0.05)
"""


def start(*words: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", NATIVE, *words]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_pid_1_ends_during_a_native_call(number: signal.Signals) -> None:
    with start("first", "native") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        assert process.wait(60) == 128 + number


def test_other_processes_keep_the_default_handlers() -> None:
    with start("other", "native") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == -signal.SIGTERM


def test_pid_1_still_ends_on_a_signal_after_the_block() -> None:
    """Linux would ignore a signal that arrives before the worker sets its own handler."""
    program = NATIVE.replace("sys.stdin.read()\nprint", "0\nprint")
    with subprocess.Popen(
        [sys.executable, "-c", program, "first", "none"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["in\n", "out\n"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM


# A command that hangs: it does not stop when requested.
HANGS = """
import sys, time
from contextlib import nullcontext
from stripwatch.worker.common.signals import interrupt_once, stop_on_signal
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
with interrupt_once(), stop_on_signal(asked) if sys.argv[1] == "command" else nullcontext():
    hang()
"""


def test_a_signal_requests_a_stop_and_handlers_are_restored() -> None:
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
def test_a_second_signal_ends_a_hanging_command(kind: str, number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", HANGS, kind], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        assert process.stdout.readline() == "asked\n"
        process.send_signal(number)
        assert process.wait(60) == -number


def test_one_signal_of_each_kind_only_requests_a_stop() -> None:
    """A terminal sends SIGINT to all processes, and the parent process may then send SIGTERM."""
    asked: list[None] = []
    with stop_on_signal(lambda: asked.append(None)):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
    assert len(asked) == 2
