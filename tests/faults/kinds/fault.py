"""What a fault is: how it begins, what ends it, whom it hits, and how long Kafka itself needs to get over it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from stripwatch.worker.config.sections import Topics
from tests.faults.crew import HEARTBEAT_S, Crew
from tests.faults.kafka import ABORT_SCAN_MS, SESSION_MS, Kafka
from tests.faults.models import Models
from tests.faults.traffic import Sender, Watcher

SESSION_S = SESSION_MS / 1000
REBALANCE_S = 2 * HEARTBEAT_S  # each member hears of it by its next heartbeat, and again when the restarted one joins
TRANSACTION_S = 5.0  # exactly_once.transaction_s_max of the workers
# A worker that is away leaves its transaction open. Readers of committed records then wait for all that lies behind it
# in a partition, whoever wrote that, until the worker is back or Kafka finds its transaction too old.
OPEN_S = TRANSACTION_S + ABORT_SCAN_MS / 1000
RECONNECT_S = 2.4  # the client waits up to 2 s, and 20 % by chance, before it tries a broker again
PLAIN, TRIO = "one broker", "three brokers"
BOTH = frozenset({PLAIN, TRIO})


@dataclass(slots=True)
class Scene:
    """All that a fault can get at. broken: what is being repaired, so that nothing else may break it."""

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
    """What the plan says of one strike. choice: from 0 to 1, for faults that come in several forms."""

    worker: int
    lasts_s: float
    choice: float


@dataclass(frozen=True, slots=True)
class Course:
    """How a fault that has begun goes on.

    heal: to be called after lasts_s. victims: the partitions that it hits; None: those of its worker.
    back: whether Kafka can serve the victims again; None: as soon as it is healed.
    """

    lasts_s: float = 0.0
    heal: Callable[[], None] = lambda: None
    victims: frozenset[int] | None = None
    back: Callable[[], bool] | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """needs: what must be whole when it begins, and is broken until it is healed. where: on which clusters it can be.

    healthy_s: how long partitions that it does not hit may be silent, for Kafka's own reasons. victims_s: the same for
    those that it hits, from when Kafka can serve them again; None: they are not judged, as the worker itself was away.
    leaves_open: it may leave a transaction without anybody to end it.
    supervised: it needs a worker of several processes. possible: whether this machine can do it.
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
