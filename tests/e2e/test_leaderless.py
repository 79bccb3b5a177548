"""A partition without a leader is reported, the others continue, and its frames are inspected when it is back."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from stripwatch.worker.bench.embedded_broker import Broker, running_broker
from stripwatch.worker.common.process.ports import free_port
from tests.brokers.apache import (
    READY_S_MAX,
    SETTINGS,
    KafkaUnavailableError,
    apache_broker,
    fetch_jars,
    find_tool,
    format_storage,
)
from tests.brokers.handle import BrokerHandle
from tests.brokers.plugin import APACHE_SESSION_MS, absence_is_a_skip
from tests.e2e.line import Line, metric, readiness, running_worker
from tests.e2e.records import assert_complete, frames
from tests.waiting import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.long]
CONTROLLER = """
listeners=PLAINTEXT://{{address}},CONTROLLER://127.0.0.1:{port}
controller.quorum.voters=1@127.0.0.1:{port}
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
"""
SECOND = """
process.roles=broker
node.id=2
listeners=PLAINTEXT://{address}
controlled.shutdown.enable=false
"""


@contextmanager
def second_node(folder: Path, cluster_id: str, controller_port: int) -> Iterator[Broker]:
    """Run a node of the cluster that can be restarted, because its data stay in the folder."""
    java, settings = [find_tool("java"), "-Xmx512m", "-cp", f"{fetch_jars()}/*"], folder / "server.properties"
    if not settings.exists():
        address = f"127.0.0.1:{free_port()}"
        text = (SETTINGS + SECOND).format(address=address, controller_port=controller_port, data=folder / "data")
        settings.write_text(text)
        (folder / "address").write_text(address)
        format_storage(java, cluster_id, settings)
    node = Broker((folder / "address").read_text(), cluster_id)
    with running_broker("a second node", [*java, "kafka.Kafka", str(settings)], node, READY_S_MAX):
        yield node


def test_a_partition_without_leader_is_reported_and_the_others_continue(bundle: Path, tmp_path: Path) -> None:
    port = free_port()
    with ExitStack() as stack:
        stack.enter_context(absence_is_a_skip(KafkaUnavailableError))
        first = stack.enter_context(apache_broker(CONTROLLER.format(port=port)))
        line = Line.on(BrokerHandle("apache", first.bootstrap_servers, APACHE_SESSION_MS), partitions=4)
        line.committed("g")  # so that the topic of the group's offsets is on the first node
        with second_node(tmp_path, first.cluster_id, port):
            line.topics["frames"] = line.broker.new_topic(4)  # two partitions on each node
            sent = line.send(frames(200), key=b"a")
        with running_worker(line, bundle, "g") as worker:
            metrics_port = worker.await_ready()
            assert worker.await_log("topic is not readable")["leaderless"] == 2
            assert len(line.read("results", 100)) == 100
            assert not readiness(metrics_port)["topic_readable"]
            assert metric(worker, metrics_port, "partitions_without_leader") == 2
            with second_node(tmp_path, first.cluster_id, port):
                assert len(line.read("results", len(sent))) == len(sent)
                wait_until(lambda: sum(line.committed("g").values()) == len(sent))
                wait_until(lambda: all(readiness(metrics_port).values()))
                assert worker.stop() == 0
                assert_complete(line, sent, "at-least-once")
