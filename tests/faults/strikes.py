"""Each fault: how it begins, and what ends it. The run calls both from its one thread."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.crew import Crew
from tests.faults.kafka import SESSION_MS, Kafka
from tests.faults.models import Models, place
from tests.faults.plan import Fault, Strike
from tests.faults.proxy import Mode

Heal = Callable[[], None]


@dataclass(slots=True)
class Hand:
    """Strikes at workers, broker, connections and the file at `bundle`."""

    crew: Crew
    kafka: Kafka
    models: Models
    bundle: Path
    broker_down: bool = False
    good: bytes = field(init=False)
    _swaps: int = 0

    def __post_init__(self) -> None:
        self.good = self.bundle.read_bytes()

    def possible(self, strike: Strike) -> bool:
        """Not while the same thing is still broken."""
        if strike.fault in (Fault.BROKER_STOP, Fault.BROKER_KILL):
            return not self.broker_down
        if strike.fault in (Fault.BAD_MODEL, Fault.SWAP):
            return not self.crew.bad_model
        return True

    def strike(self, strike: Strike, worker: int) -> tuple[float, Heal]:
        """Do it; how many seconds later to call what ends it."""
        lasts_s, proxy = strike.lasts_s, self.kafka.proxies[worker]
        match strike.fault:
            case Fault.KILL:
                self.crew.kill(worker)
                return 0.0, _nothing
            case Fault.TERM:
                self.crew.terminate(worker)
                return 0.0, _nothing
            case Fault.PAUSE:
                self.crew.pause(worker)
                return SESSION_MS / 1000 + lasts_s, lambda: self.crew.go_on(worker)
            case Fault.BROKER_STOP:
                return self._end_broker(self.kafka.ask_to_stop, lasts_s)
            case Fault.BROKER_KILL:
                return self._end_broker(self.kafka.kill, lasts_s)
            case Fault.CUT:
                proxy.set(Mode.SHUT)
            case Fault.TEAR:
                proxy.set(Mode.TEAR)
            case Fault.MUTE:
                proxy.set(Mode.MUTE)
            case Fault.SLOW:
                proxy.set(Mode.SLOW)
            case Fault.SWAP:
                self._swap()
                return 0.0, _nothing
            case Fault.BAD_MODEL:
                return self._place_bad_model(lasts_s)
        return lasts_s, lambda: self._mend(worker)

    def _mend(self, worker: int) -> None:
        """What was left of the old connections ends: a client must not go on in the middle of lost answers."""
        self.kafka.proxies[worker].set(Mode.OPEN)
        self.kafka.proxies[worker].cut()

    def _end_broker(self, end: Callable[[], None], lasts_s: float) -> tuple[float, Heal]:
        def heal() -> None:
            self.kafka.stop()
            self.kafka.start()
            self.broker_down = False

        self.broker_down = True
        end()
        return lasts_s, heal

    def _swap(self) -> None:
        good = list(self.models.good.values())
        self._swaps += 1
        self.good = good[self._swaps % len(good)]
        place(self.bundle, self.good)

    def _place_bad_model(self, lasts_s: float) -> tuple[float, Heal]:
        def heal() -> None:
            place(self.bundle, self.good)
            self.crew.place_bad_model(False)

        self.crew.place_bad_model(True)
        place(self.bundle, self.models.bad[int(lasts_s * 1000) % len(self.models.bad)])
        return lasts_s, heal


def _nothing() -> None:
    """Some faults end by themselves."""
