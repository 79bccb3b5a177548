"""Apache Kafka for the tests: one node in KRaft mode on loopback, with its data in a temporary folder.

Tests use the newest version by default. Set KAFKA_VERSION to use the oldest version that the worker supports. Both run
on Java 17. `python -m tests.brokers.apache` downloads both in advance, so that the first test does not have to wait.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from stripwatch.worker.bench.embedded_broker import Broker, running_broker
from stripwatch.worker.common.process.ports import free_port

POM = Path(__file__).with_name("pom.xml")
STREAMS_POM = Path(__file__).parents[2] / "deploy" / "streams" / "pom.xml"
STORE = Path(__file__).parents[2] / ".kafka"
NEWEST, OLDEST = "4.4.0", "3.9.2"
FETCH_S_MAX = 600
FORMAT_S_MAX = 60
READY_S_MAX = 60.0
BATCH_BYTES_MAX = 20_971_520

# One node holds every internal topic, and a group starts without waiting for more members.
SETTINGS = f"""
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{{controller_port}}
listeners=PLAINTEXT://{{address}},CONTROLLER://127.0.0.1:{{controller_port}}
advertised.listeners=PLAINTEXT://{{address}}
controller.listener.names=CONTROLLER
log.dirs={{data}}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
message.max.bytes={BATCH_BYTES_MAX}
"""


class KafkaUnavailableError(Exception):
    """Apache Kafka is not available; the text is the reason."""


@contextmanager
def apache_broker(more_settings: str = "", format_options: Sequence[str] = ()) -> Iterator[Broker]:
    """Run Apache Kafka while the block lasts. Raises KafkaUnavailableError without Java, or without jars and Maven.

    more_settings: override the default settings; {address} and {controller_port} are replaced. format_options: options
    of Kafka's StorageTool.
    """
    java, jars = find_tool("java"), fetch_jars()
    cluster_id = base64.urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
    broker = Broker(f"127.0.0.1:{free_port()}", cluster_id)
    run = [java, "-Xmx512m", "-cp", f"{jars}/*"]
    with tempfile.TemporaryDirectory(prefix="stripwatch-kafka-") as folder:
        settings = Path(folder, "server.properties")
        settings.write_text(
            (SETTINGS + more_settings).format(
                address=broker.bootstrap_servers, controller_port=free_port(), data=Path(folder, "data")
            )
        )
        format_storage(run, cluster_id, settings, format_options)
        with running_broker("Apache Kafka", [*run, "kafka.Kafka", str(settings)], broker, READY_S_MAX) as child:
            yield replace(broker, pid=child.process.pid)


def format_storage(run: Sequence[str], cluster_id: str, settings: Path, options: Sequence[str] = ()) -> None:
    """Format the empty data folder of a node. run: Java with the jars."""
    command = [*run, "kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}", "-c", str(settings), *options]
    subprocess.run(command, check=True, capture_output=True, timeout=FORMAT_S_MAX)


def kafka_version() -> str:
    """Return KAFKA_VERSION, or the newest version. Raises KafkaUnavailableError for an unsupported one."""
    version = os.environ.get("KAFKA_VERSION") or NEWEST
    if version not in (NEWEST, OLDEST):
        raise KafkaUnavailableError(f"unsupported KAFKA_VERSION {version!r}; use {NEWEST} or {OLDEST}")
    return version


def fetch_jars(version: str = "", pom: Path = POM) -> Path:
    """Return the folder with Apache Kafka and its dependencies, or with those of another POM file.

    They are downloaded once per version and state of the file (45 MB). version: empty for the version of the tests.
    """
    version = version or kafka_version()
    jars = STORE / hashlib.sha256(pom.read_bytes() + version.encode()).hexdigest()[:12]
    if jars.is_dir():
        return jars
    maven = find_tool("mvn")
    STORE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=STORE, suffix=".part") as part:
        command = [maven, "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", "-DincludeScope=runtime"]
        done = subprocess.run(
            [*command, f"-Dkafka.version={version}", f"-DoutputDirectory={part}/jars"],
            capture_output=True,
            text=True,
            timeout=FETCH_S_MAX,
        )
        if done.returncode != 0:
            raise KafkaUnavailableError(f"Maven could not download the jars of {pom}: {done.stdout.strip()[:500]}")
        with suppress(OSError):  # another process was faster
            Path(part, "jars").rename(jars)
    return jars


def find_tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise KafkaUnavailableError(
            f"'{name}' is not installed; install Java 17 and Maven, or set KAFKA_BOOTSTRAP_SERVERS=host:port"
        )
    return path


if __name__ == "__main__":
    for each in (NEWEST, OLDEST):
        print(each, fetch_jars(each))
    print(STREAMS_POM.parent.name, fetch_jars(NEWEST, STREAMS_POM))
