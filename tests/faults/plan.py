"""What a seed stands for: which cluster and workers, which frames are bad, which fault strikes after which burst.

The same seed always gives the same plan; when exactly a fault meets the workers is up to the machine.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from tests.badframes import BAD_FRAMES
from tests.faults.crew import PROCESSES
from tests.faults.kinds import FAULTS
from tests.faults.kinds.fault import PLAIN, TRIO

WORKERS_MAX = 3
FRAMES_PER_FAULT = 100
_BAD_SHARE = 0.06
_RESERVE_SHARE = 0.1  # of the frames: for faults that found nothing in flight, and for the end, when all is well again


@dataclass(frozen=True, slots=True)
class Strike:
    """frames: sent right before. worker: the number of the one that is hit. wait_s: after its frames are in flight.

    lasts_s: until it is over. rest_s: until the next burst, which may come before this is over. choice: see Blow.
    """

    fault: str
    frames: int
    worker: int
    wait_s: float
    lasts_s: float
    rest_s: float
    choice: float


@dataclass(frozen=True, slots=True)
class Plan:
    """bad: for each frame the name of the bad frame to send, or None. reserve: frames that no burst contains.

    cluster: where it is played. processes: of each worker. start_at: the workers' setting. apart: each strike waits
    until all is well after the one before, so that what it causes can be told.
    """

    seed: int
    cluster: str
    processes: tuple[int, ...]
    start_at: str
    apart: bool
    bad: tuple[str | None, ...]
    strikes: tuple[Strike, ...]
    reserve: int

    @property
    def workers(self) -> int:
        return len(self.processes)


def make_plan(seed: int, frames: int, only: Sequence[str] = ()) -> Plan:
    """Every kind of fault that its cluster and workers allow once before any comes twice; the rare ones first.

    only: the names of faults; then there are no others, and cluster and workers are such that they can be.
    """
    rng = random.Random(seed)
    wanted = [FAULTS[name] for name in only]
    workers = 1 + seed % WORKERS_MAX
    cluster = TRIO if seed % 4 == 3 else PLAIN
    if wanted and cluster not in (both := frozenset.intersection(*(fault.where for fault in wanted))):
        cluster = min(both)
    several = seed % 2 == 0 or any(fault.supervised for fault in wanted)
    processes = (PROCESSES if several else 1, *[1] * (workers - 1))
    count = max(1, frames // FRAMES_PER_FAULT)
    reserve = round(frames * _RESERVE_SHARE)
    bursts = _shares(rng, frames - reserve, count)
    faults = list(islice(cycle(only), count)) or _faults(rng, cluster, several, count)
    strikes = tuple(
        Strike(
            *(fault, burst, 0 if FAULTS[fault].supervised else rng.randrange(workers)),
            wait_s=rng.uniform(0, 0.1),
            lasts_s=rng.uniform(0.2, 2.5),
            rest_s=rng.uniform(0, 2.0),
            choice=rng.random(),
        )
        for fault, burst in zip(faults, bursts, strict=True)
    )
    names = sorted(BAD_FRAMES)
    bad = tuple(rng.choice(names) if rng.random() < _BAD_SHARE else None for _ in range(frames))
    start_at = "latest" if seed % 5 in (1, 3) else "earliest"
    return Plan(seed, cluster, processes, start_at, seed % 4 != 1, bad, strikes, reserve)


def _faults(rng: random.Random, cluster: str, several: bool, count: int) -> list[str]:
    """In the order in which they strike: the kinds that only this plan can have are always among them."""
    kinds = [fault for fault in FAULTS.values() if cluster in fault.where and (several or not fault.supervised)]
    rng.shuffle(kinds)
    rare = [fault for fault in kinds if (cluster == TRIO and fault.where == {TRIO}) or fault.supervised]
    chosen = list(islice(cycle([*rare, *(fault for fault in kinds if fault not in rare)]), count))
    rng.shuffle(chosen)
    return [fault.name for fault in chosen]


def _shares(rng: random.Random, total: int, count: int) -> list[int]:
    """`total` cut into `count` parts, the largest about twice the smallest."""
    weights = [rng.uniform(1, 2) for _ in range(count)]
    ends = [round(total * sum(weights[: i + 1]) / sum(weights)) for i in range(count)]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]
