"""Faults of the connection between a worker and its broker."""

from tests.faults.kinds.fault import PLAIN, REBALANCE_S, RECONNECT_S, Blow, Course, Fault, Scene
from tests.faults.proxy import Mode


def _connection_fault(name: str, mode: Mode) -> Fault:
    def begin(scene: Scene, blow: Blow) -> Course:
        proxy = scene.kafka.proxies[blow.worker]

        def heal() -> None:
            """Cut the old connections: a client must not continue in the middle of lost responses."""
            proxy.set(Mode.OPEN)
            proxy.cut()

        proxy.set(mode)
        return Course(blow.lasts_s, heal)

    where = frozenset({PLAIN})
    victims_s = RECONNECT_S + REBALANCE_S
    return Fault(name, begin, where=where, healthy_s=REBALANCE_S, victims_s=victims_s, leaves_open=True)


FAULTS = (
    _connection_fault("cut the connection", Mode.SHUT),
    _connection_fault("cut it inside an answer", Mode.TEAR),
    _connection_fault("lose the answers, then cut", Mode.MUTE),
    _connection_fault("slow the connection", Mode.SLOW),
)
