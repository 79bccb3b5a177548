"""An Apache Kafka whose brokers can be stopped, killed and started again on their data and ports.

`proxied_kafka`: one broker with one proxy per worker, on a disk that can be filled. `three_brokers`: a cluster with
replication.

A single broker runs the oldest version that the worker supports. After its restart, partitions have no leader for a
moment, and Apache Kafka 4.4.0 skips their transaction markers (KAFKA-20734, tests/brokers/test_skipped_markers.py), so
that Kafka itself could break a guarantee. With 3.9.2, it is the worker's fault. A cluster of three runs the newest
version, because every partition keeps a leader when one broker dies.
"""

import base64
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from kafka.errors import KafkaError

from stripwatch.worker.bench.embedded_broker import STOP_S_MAX, Broker, running_broker
from stripwatch.worker.common.process.child_process import ChildProcess, running_process
from stripwatch.worker.common.process.ports import free_port
from tests.brokers.apache import OLDEST, SETTINGS, fetch_jars, find_tool, format_storage, kafka_version
from tests.brokers.handle import BrokerHandle
from tests.faults.disk import Disk, small_disk
from tests.faults.proxy import Proxy

_READY_S_MAX = 180.0  # for a long run on a busy machine
SESSION_MS = 3_000  # short, so that pauses can be short
ABORT_SCAN_MS = 1_000  # interval at which Kafka aborts expired transactions; the default is 10 s
BROKER_SESSION_MS = 4_000  # time after which the controller fences a silent broker
_QUICK = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")  # brokers start often and never run for long
# Kafka logs this at level info, also when a topic is deleted with an open transaction.
_SKIPPED = "Couldn't find leader endpoint for partitions"
_LOGGING = """
rootLogger.level=warn
rootLogger.appenderRef.file.ref=file
rootLogger.appenderRef.console.ref=console
logger.scala.name=kafka.coordinator.transaction
logger.scala.level=info
logger.java.name=org.apache.kafka.coordinator.transaction
logger.java.level=info
appender.file.type=File
appender.file.name=file
appender.file.fileName={log}
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d %p %m (%c)%n
appender.console.type=Console
appender.console.name=console
appender.console.filter.threshold.type=ThresholdFilter
appender.console.filter.threshold.level=error
"""

# Later lines win.
_COMMON = f"""
group.min.session.timeout.ms=1000
transaction.abort.timed.out.transaction.cleanup.interval.ms={ABORT_SCAN_MS}
"""
# Each worker has a separate listener, which the broker advertises with the port of the worker's proxy.
_PROXIED = """
listeners=PLAINTEXT://{address},CONTROLLER://127.0.0.1:{controller_port},{listeners}
advertised.listeners=PLAINTEXT://{address},{advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,{protocols}
"""
_ONE_OF_THREE = """
node.id={id}
controller.quorum.voters={voters}
offsets.topic.replication.factor=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
min.insync.replicas=2
broker.session.timeout.ms={session_ms}
broker.heartbeat.interval.ms=500
"""


@dataclass(slots=True)
class Node:
    """A broker. log: file of its warnings. down: it was stopped on purpose and not restarted.

    Use it only in the thread that created it.
    """

    id: int
    broker: Broker
    command: list[str]
    log: Path
    down: bool = True
    _child: ChildProcess | None = None
    _running: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Until it answers."""
        run = running_broker("Apache Kafka", self.command, self.broker, _READY_S_MAX)
        self._child = self._running.enter_context(run)
        self.down = False

    def begin_start(self) -> None:
        """Start without waiting: one of three brokers responds only when a second one runs."""
        run = running_process("Apache Kafka", self.command, {}, Path("/"), STOP_S_MAX)
        self._child = self._running.enter_context(run)
        self.down = False

    def ask_to_stop(self) -> None:
        assert self._child is not None
        self.down = True
        self._child.process.terminate()

    def kill(self) -> None:
        assert self._child is not None
        self.down = True
        self._child.process.kill()

    def stop(self) -> None:
        """Until it has ended."""
        self.down = True
        self._running.close()

    def restart(self) -> None:
        self.stop()
        self.start()


@dataclass(slots=True)
class Kafka:
    """A Kafka cluster. version: Apache Kafka version. handle: direct access for sender and reader, without a proxy.
    proxies: one per worker; none with three brokers.
    """

    version: str
    handle: BrokerHandle
    proxies: list[Proxy]
    nodes: list[Node]
    disk: Disk | None = None

    def start(self) -> None:
        """Until it answers."""
        *others, last = self.nodes
        for node in others:
            node.begin_start()
        last.start()

    def stop(self) -> None:
        """Until it has ended."""
        for node in self.nodes:
            node.stop()

    def restart(self) -> None:
        self.stop()
        self.start()

    @property
    def skipped_markers(self) -> int:
        """Return how often brokers logged that transaction markers were not written."""
        return sum(node.log.read_text().count(_SKIPPED) for node in self.nodes if node.log.exists())

    def node(self, number: int) -> Node:
        return next(node for node in self.nodes if node.id == number)

    def bootstrap_servers(self, worker: int) -> str:
        """Return the bootstrap servers of a worker, through its proxy if there is one."""
        return f"127.0.0.1:{self.proxies[worker].port}" if self.proxies else self.handle.bootstrap_servers

    def leaders(self, topic: str) -> dict[int, int]:
        """Return the id of each partition's leader; -1 if there is none."""
        return {partition["partition_index"]: partition["leader_id"] for partition in self._partitions([topic])}

    def leads(self, node: int) -> bool:
        """Return whether this broker still leads a partition, or a partition has no leader."""
        return any(partition["leader_id"] in (node, -1) for partition in self._known_partitions())

    @property
    def whole(self) -> bool:
        """Return whether every broker runs and all replicas are in sync."""
        if any(node.down for node in self.nodes):
            return False
        return len(self.nodes) == 1 or all(
            partition["leader_id"] != -1 and len(partition["isr_nodes"]) == len(partition["replica_nodes"])
            for partition in self._known_partitions()
        )

    def _known_partitions(self) -> list[dict[str, Any]]:
        """Return the partitions of all topics; one without a leader if no broker responds."""
        try:
            return self._partitions(None)
        except KafkaError:
            return [{"leader_id": -1}]

    def _partitions(self, topics: list[str] | None) -> list[dict[str, Any]]:
        up = ",".join(node.broker.bootstrap_servers for node in self.nodes if not node.down)
        with BrokerHandle("apache", up, SESSION_MS).admin() as admin:
            return [partition for topic in admin.describe_topics(topics) for partition in topic["partitions"]]


@contextmanager
def proxied_kafka(proxies: int, version: str = OLDEST) -> Iterator[Kafka]:
    """Run one broker behind proxies while the block lasts. version: Apache Kafka version.

    Raises KafkaUnavailableError without Java, or without jars and Maven.
    """
    ports = [free_port() for _ in range(proxies)]
    broker = Broker(f"127.0.0.1:{free_port()}", _new_cluster_id())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stripwatch-kafka-")))
        opened = [stack.enter_context(Proxy(port)) for port in ports]
        (folder / "disk").mkdir()
        disk = stack.enter_context(small_disk(folder / "disk"))
        names = [f"LINE{number}" for number in range(len(ports))]
        where = {"address": broker.bootstrap_servers, "controller_port": free_port()}
        doors = _PROXIED.format(
            **where,
            listeners=",".join(f"{name}://127.0.0.1:{port}" for name, port in zip(names, ports, strict=True)),
            advertised=",".join(f"{name}://127.0.0.1:{proxy.port}" for name, proxy in zip(names, opened, strict=True)),
            protocols=",".join(f"{name}:PLAINTEXT" for name in names),
        )
        settings = SETTINGS.format(**where, data=folder / "disk" / "data") + _COMMON + doors
        node = _make_node(1, broker, version, settings, folder, "-Xmx512m")
        kafka = Kafka(version, BrokerHandle("apache", broker.bootstrap_servers, SESSION_MS), opened, [node], disk)
        stack.callback(kafka.stop)
        kafka.start()
        yield kafka


@contextmanager
def three_brokers(version: str = "") -> Iterator[Kafka]:
    """Run three brokers while the block lasts. Topics have three replicas, two of which must acknowledge a record.

    version: empty for the version of the tests. Raises KafkaUnavailableError.
    """
    version = version or kafka_version()
    cluster_id, ids = _new_cluster_id(), (1, 2, 3)
    controllers = {number: free_port() for number in ids}
    voters = ",".join(f"{number}@127.0.0.1:{port}" for number, port in controllers.items())
    with ExitStack() as stack:
        nodes = []
        for number in ids:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stripwatch-kafka-")))
            broker = Broker(f"127.0.0.1:{free_port()}", cluster_id)
            where = {"address": broker.bootstrap_servers, "controller_port": controllers[number]}
            own = _ONE_OF_THREE.format(id=number, voters=voters, session_ms=BROKER_SESSION_MS)
            settings = SETTINGS.format(**where, data=folder / "data") + _COMMON + own
            nodes.append(_make_node(number, broker, version, settings, folder, "-Xmx256m"))
        servers = ",".join(node.broker.bootstrap_servers for node in nodes)
        kafka = Kafka(version, BrokerHandle("apache", servers, SESSION_MS, replication=len(nodes)), [], nodes)
        stack.callback(kafka.stop)
        kafka.start()
        yield kafka


def _make_node(number: int, broker: Broker, version: str, settings: str, folder: Path, heap: str) -> Node:
    log, logging = folder / "warnings.log", folder / "log4j2.properties"
    logging.write_text(_LOGGING.format(log=log))
    run = [find_tool("java"), heap, *_QUICK, f"-Dlog4j2.configurationFile={logging}", "-cp", f"{fetch_jars(version)}/*"]
    file = folder / "server.properties"
    file.write_text(settings)
    format_storage(run, broker.cluster_id, file)
    return Node(number, broker, [*run, "kafka.Kafka", str(file)], log)


def _new_cluster_id() -> str:
    return base64.urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
