"""Faults of brokers and their disk."""

from collections.abc import Callable

from tests.faults.kafka import BROKER_SESSION_MS, Node
from tests.faults.kinds.fault import (
    PLAIN,
    REBALANCE_S,
    RECONNECT_S,
    TRIO,
    Blow,
    Course,
    Fault,
    Scene,
    every_partition,
)

_BROKER = frozenset({"broker"})


def _end_broker(end: Callable[[Node], None]) -> Callable[[Scene, Blow], Course]:
    def begin(scene: Scene, blow: Blow) -> Course:
        end(scene.kafka.nodes[0])
        return Course(blow.lasts_s, scene.kafka.restart, every_partition(scene))

    return begin


def _fill_disk(scene: Scene, blow: Blow) -> Course:
    """Fill the only disk of a broker, which then exits; restart it when there is space again."""
    disk = scene.kafka.disk
    assert disk is not None

    def heal() -> None:
        disk.empty()
        scene.kafka.restart()

    disk.fill()
    return Course(blow.lasts_s, heal, every_partition(scene))


def _kill_one_of_three(topic_of: Callable[[Scene, Blow], str]) -> Callable[[Scene, Blow], Course]:
    """Kill the leader of a partition of this topic. The others take over when Kafka's controller fences it.

    It affects every partition, because results and offsets are on all three brokers.
    """

    def begin(scene: Scene, blow: Blow) -> Course:
        leaders = scene.kafka.leaders(topic_of(scene, blow))
        node = scene.kafka.node(leaders[int(blow.choice * len(leaders))])
        node.kill()
        return Course(
            BROKER_SESSION_MS / 1000 + blow.lasts_s,
            node.restart,
            every_partition(scene),
            back=lambda: not scene.kafka.leads(node.id),
        )

    return begin


def _coordinator(scene: Scene, blow: Blow) -> str:
    return "__transaction_state" if scene.crew.transactional and blow.choice < 0.5 else "__consumer_offsets"


_AGAIN_S = RECONNECT_S + REBALANCE_S  # the client reconnects and finds the coordinator, and the group may rebalance
FAULTS = (
    Fault("stop and start the broker", _end_broker(Node.ask_to_stop), _BROKER, frozenset({PLAIN}), victims_s=_AGAIN_S),
    Fault("kill -9 the broker and start it", _end_broker(Node.kill), _BROKER, frozenset({PLAIN}), victims_s=_AGAIN_S),
    Fault(
        *("fill the broker's disk", _fill_disk, _BROKER, frozenset({PLAIN})),
        victims_s=_AGAIN_S,
        possible=lambda scene: scene.kafka.disk is not None,
    ),
    Fault(
        *("kill -9 a leader of three", _kill_one_of_three(lambda scene, _: scene.topics.frames)),
        *(_BROKER, frozenset({TRIO})),
        victims_s=_AGAIN_S,
    ),
    Fault(
        *("kill -9 the coordinator of three", _kill_one_of_three(_coordinator)),
        *(_BROKER, frozenset({TRIO})),
        victims_s=_AGAIN_S,
    ),
)
