"""Plan of a seed: cluster, workers, bad frames, and the fault after each burst of frames.

The same seed always gives the same plan. The exact time of a fault depends on the machine.
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
_RESERVE_SHARE = 0.1  # share of the frames kept for faults without frames in flight, and for the end after recovery


@dataclass(frozen=True, slots=True)
class Strike:
    """A planned fault.

    frames: frames sent right before it. worker: number of the target. wait_s: delay after the target has frames in
    flight. lasts_s: duration. rest_s: time until the next burst, which may be sent before the end. choice: see Blow.
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
    """Plan of a seed.

    bad: for each frame, the name of the bad frame to send, or None. reserve: frames outside of all bursts. cluster: the
    kind of cluster. processes: processes per worker. start_at: the workers' setting. apart: each fault waits for the
    recovery from the previous one, so that its effect can be attributed.
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
    """Make a plan with every possible kind of fault once before any is repeated, the rare ones first.

    only: names of faults; the plan has no others, and its cluster and workers support them.
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
    """Return the faults in order; kinds that only this plan supports are always included."""
    kinds = [fault for fault in FAULTS.values() if cluster in fault.where and (several or not fault.supervised)]
    rng.shuffle(kinds)
    rare = [fault for fault in kinds if (cluster == TRIO and fault.where == {TRIO}) or fault.supervised]
    chosen = list(islice(cycle([*rare, *(fault for fault in kinds if fault not in rare)]), count))
    rng.shuffle(chosen)
    return [fault.name for fault in chosen]


def _shares(rng: random.Random, total: int, count: int) -> list[int]:
    """Split `total` into `count` parts, the largest about twice the smallest."""
    weights = [rng.uniform(1, 2) for _ in range(count)]
    ends = [round(total * sum(weights[: i + 1]) / sum(weights)) for i in range(count)]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]
