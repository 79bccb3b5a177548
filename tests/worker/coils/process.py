"""Runs `stripwatch coils` as a process."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stripwatch.worker.common.process.child_process import module_command
from tests.e2e.line import Line
from tests.worker.conftest import last_json


def topic_arguments(line: Line) -> list[str]:
    topics = [part for name, topic in line.topics.items() for part in ("--set", f"topics.{name}={topic}")]
    return ["--bootstrap-servers", line.broker.bootstrap_servers, *topics]


@contextmanager
def running_coils(line: Line, *options: str) -> Iterator["subprocess.Popen[str]"]:
    waits = ("--settle-s", "1", "--silence-s", "60")
    command = [*module_command("worker"), "coils", *waits, *topic_arguments(line), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def stopped(process: "subprocess.Popen[str]") -> dict[str, Any]:
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return last_json(output)
