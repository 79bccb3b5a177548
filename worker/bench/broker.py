"""`stripwatch broker`: the embedded broker on a port of the user's choice, for trials without Apache Kafka."""

from typing import Annotated
from uuid import uuid4

import typer

from stripwatch.worker.bench.embedded_broker import Broker, running_embedded_broker
from stripwatch.worker.common.clock import SystemClock
from stripwatch.worker.common.errors import BrokerUnavailableError, SettingsError
from stripwatch.worker.common.process.child_process import ChildProcess
from stripwatch.worker.common.process.ports import free_port, is_free
from stripwatch.worker.common.signals import stop_on_signal
from stripwatch.worker.common.terminal.console import say

KAFKA_PORT = 9092
_CHECK_S = 0.5


def broker(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1. 0 picks a free port.")] = KAFKA_PORT,
) -> None:
    """Run a small Kafka-compatible broker on this machine, to try Stripwatch without Apache Kafka.

    It runs until stopped, keeps all records in memory, and listens on loopback only. Its transactions do not protect
    exactly-once delivery. Never use it for a real line.

    Example: stripwatch broker --port 9092
    """
    if port and not is_free(port):
        raise SettingsError(f"port {port} on 127.0.0.1 is in use; choose another one with --port")
    clock = SystemClock()
    address = Broker(f"127.0.0.1:{port or free_port()}", f"stripwatch-{uuid4()}")
    with stop_on_signal(clock.stop), running_embedded_broker(address) as process:
        say(f"the broker listens on {address.bootstrap_servers}; press Ctrl-C to stop it and delete its records")
        _wait(process, clock)


def _wait(process: ChildProcess, clock: SystemClock) -> None:
    while not clock.stopped:
        if process.ended:
            raise BrokerUnavailableError(f"{process.name} ended unexpectedly{process.output_text()}")
        clock.sleep(_CHECK_S)
