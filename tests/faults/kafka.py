"""An Apache Kafka that can be stopped, killed and started again on its data and ports, behind one proxy a worker."""

import base64
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from stripwatch.worker.bench.embedded_broker import Broker, free_port, running_broker
from stripwatch.worker.common.child_process import ChildProcess
from tests.brokers.apache import SETTINGS, fetch_jars, find_tool, format_storage
from tests.brokers.handle import BrokerHandle
from tests.faults.proxy import Proxy

_READY_S_MAX = 180.0  # in a long run on a machine that is busy with it
SESSION_MS = 3_000  # so that a pause need not last long
_QUICK = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")  # it starts often and never runs for long

# Later lines win. Each worker has a listener of its own, which the broker advertises at the port of its proxy.
_PROXIED = """
listeners=PLAINTEXT://{address},CONTROLLER://127.0.0.1:{controller_port},{listeners}
advertised.listeners=PLAINTEXT://{address},{advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,{protocols}
group.min.session.timeout.ms=1000
"""


@dataclass(slots=True)
class Kafka:
    """handle: past the proxies, for sender and reader. Start and stop it from the thread that entered its block."""

    handle: BrokerHandle
    proxies: list[Proxy]
    _broker: Broker
    _command: list[str]
    _child: ChildProcess | None = None
    _running: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Until it answers."""
        run = running_broker("Apache Kafka", self._command, self._broker, _READY_S_MAX)
        self._child = self._running.enter_context(run)

    def ask_to_stop(self) -> None:
        assert self._child is not None
        self._child.process.terminate()

    def kill(self) -> None:
        assert self._child is not None
        self._child.process.kill()

    def stop(self) -> None:
        """Until it has ended."""
        self._running.close()


@contextmanager
def proxied_kafka(proxies: int) -> Iterator[Kafka]:
    """Runs while the block lasts. Raises KafkaUnavailableError without Java, or without jars and Maven."""
    run = [find_tool("java"), "-Xmx512m", *_QUICK, "-cp", f"{fetch_jars()}/*"]
    cluster_id = base64.urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
    ports = [free_port() for _ in range(proxies)]
    broker = Broker(f"127.0.0.1:{free_port()}", cluster_id)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stripwatch-kafka-")))
        opened = [stack.enter_context(Proxy(port)) for port in ports]
        settings = folder / "server.properties"
        settings.write_text(_settings(broker.bootstrap_servers, ports, opened, folder / "data"))
        format_storage(run, cluster_id, settings)
        handle = BrokerHandle("apache", broker.bootstrap_servers, SESSION_MS)
        kafka = Kafka(handle, opened, broker, [*run, "kafka.Kafka", str(settings)])
        stack.callback(kafka.stop)
        kafka.start()
        yield kafka


def _settings(address: str, ports: list[int], proxies: list[Proxy], data: Path) -> str:
    names = [f"LINE{number}" for number in range(len(ports))]
    where = {"address": address, "controller_port": free_port()}
    return SETTINGS.format(**where, data=data) + _PROXIED.format(
        **where,
        listeners=",".join(f"{name}://127.0.0.1:{port}" for name, port in zip(names, ports, strict=True)),
        advertised=",".join(f"{name}://127.0.0.1:{proxy.port}" for name, proxy in zip(names, proxies, strict=True)),
        protocols=",".join(f"{name}:PLAINTEXT" for name in names),
    )
