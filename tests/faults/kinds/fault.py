"""Definition of a fault: how it begins and ends, what it affects, and how long Kafka itself needs to recover."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from stripwatch.worker.config.sections import Topics
from tests.faults.crew import HEARTBEAT_S, Crew
from tests.faults.kafka import ABORT_SCAN_MS, SESSION_MS, Kafka
from tests.faults.models import Models
from tests.faults.traffic import Sender, Watcher

SESSION_S = SESSION_MS / 1000
REBALANCE_S = 2 * HEARTBEAT_S  # members learn of it by their next heartbeat, and again when the restarted one joins
TRANSACTION_S = 5.0  # exactly_once.transaction_s_max of the workers
# A worker that is paused or dead leaves its transaction open. read_committed consumers then cannot read later records
# of the partition, by any producer, until the worker is back or Kafka aborts the expired transaction.
OPEN_S = TRANSACTION_S + ABORT_SCAN_MS / 1000
RECONNECT_S = 2.4  # the client waits up to 2 s plus 20 % jitter before it reconnects
PLAIN, TRIO = "one broker", "three brokers"
BOTH = frozenset({PLAIN, TRIO})


@dataclass(slots=True)
class Scene:
    """Everything that a fault can change. broken: parts with a current fault, which no other fault may touch."""

    crew: Crew
    kafka: Kafka
    models: Models
    bundle: Path
    topics: Topics
    sender: Sender
    watcher: Watcher
    broken: set[str] = field(default_factory=set)
    good: bytes = field(init=False)
    swaps: int = 0

    def __post_init__(self) -> None:
        self.good = self.bundle.read_bytes()


@dataclass(frozen=True, slots=True)
class Blow:
    """Planned parameters of one fault. choice: 0 to 1, selects the variant of a fault."""

    worker: int
    lasts_s: float
    choice: float


@dataclass(frozen=True, slots=True)
class Course:
    """Course of a fault that has begun.

    heal: called after lasts_s. victims: partitions that it affects; None: those of its worker. back: returns whether
    Kafka can serve the victims again; None: as soon as it is healed.
    """

    lasts_s: float = 0.0
    heal: Callable[[], None] = lambda: None
    victims: frozenset[int] | None = None
    back: Callable[[], bool] | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault.

    needs: parts that must be intact when it begins, and are broken until it is healed. where: clusters on which it can
    occur. healthy_s: how long partitions that it does not affect may be silent because of Kafka. victims_s: the same
    for those that it affects, counted from when Kafka can serve them again; None: not evaluated, because the worker
    itself was paused or dead. leaves_open: it may leave an open transaction that no worker ends. supervised: it needs a
    worker with several processes. possible: whether this machine supports it.
    """

    name: str
    begin: Callable[[Scene, Blow], Course]
    needs: frozenset[str] = frozenset()
    where: frozenset[str] = BOTH
    healthy_s: float = 0.0
    victims_s: float | None = None
    leaves_open: bool = False
    supervised: bool = False
    possible: Callable[[Scene], bool] = lambda _: True

    def healthy_s_max(self, transactional: bool) -> float:
        return max(self.healthy_s, OPEN_S) if self.leaves_open and transactional else self.healthy_s


def every_partition(scene: Scene) -> frozenset[int]:
    return frozenset(range(scene.sender.partitions))
