"""What a seed stands for: how many workers, which frames are bad, and which fault strikes after which burst of frames.

The same seed always gives the same plan; when exactly a fault meets the workers is up to the machine.
"""

import random
from dataclasses import dataclass
from enum import StrEnum
from itertools import cycle, islice

from tests.badframes import BAD_FRAMES
from tests.tiny import encode_frame

WORKERS_MAX = 3
FRAMES_PER_FAULT = 100
_BAD_SHARE = 0.06
_RESERVE_SHARE = 0.1  # of the frames: for faults that found nothing in flight, and for the end, when all is well again


class Fault(StrEnum):
    KILL = "kill -9 a worker"
    TERM = "SIGTERM a worker"
    PAUSE = "SIGSTOP past the session timeout"
    BROKER_STOP = "stop and start the broker"
    BROKER_KILL = "kill -9 the broker and start it"
    CUT = "cut the connection"
    TEAR = "cut it inside an answer"
    MUTE = "lose the answers, then cut"
    SLOW = "slow the connection"
    SWAP = "replace the model"
    BAD_MODEL = "replace it by a bad one"


@dataclass(frozen=True, slots=True)
class Strike:
    """frames: sent right before. worker: the number of the one that is hit. wait_s: after its frames are in flight.

    lasts_s: until it is over. rest_s: until the next burst, which may come before this is over.
    """

    fault: Fault
    frames: int
    worker: int
    wait_s: float
    lasts_s: float
    rest_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """bad: for each frame the name of the bad frame to send, or None. reserve: frames that no burst contains."""

    seed: int
    workers: int
    bad: tuple[str | None, ...]
    strikes: tuple[Strike, ...]
    reserve: int


def make_plan(seed: int, frames: int) -> Plan:
    """Every kind of fault once before any comes twice."""
    rng = random.Random(seed)
    workers = 1 + seed % WORKERS_MAX
    count = max(1, frames // FRAMES_PER_FAULT)
    kinds = list(Fault)
    rng.shuffle(kinds)
    reserve = round(frames * _RESERVE_SHARE)
    bursts = _shares(rng, frames - reserve, count)
    strikes = tuple(
        Strike(
            *(fault, burst, rng.randrange(workers)),
            wait_s=rng.uniform(0, 0.1),
            lasts_s=rng.uniform(0.2, 2.5),
            rest_s=rng.uniform(0, 2.0),
        )
        for fault, burst in zip(islice(cycle(kinds), count), bursts, strict=True)
    )
    names = sorted(BAD_FRAMES)
    bad = tuple(rng.choice(names) if rng.random() < _BAD_SHARE else None for _ in range(frames))
    return Plan(seed, workers, bad, strikes, reserve)


def encode(plan: Plan, number: int) -> bytes | None:
    """The bytes of a frame, alike for two plans where it is good; each good frame has a brightness of its own."""
    name = plan.bad[number]
    return BAD_FRAMES[name][0] if name is not None else encode_frame((number + 0.5) / len(plan.bad), seed=number)


def reason(plan: Plan, number: int) -> str | None:
    """Why the frame must be rejected; None for a good one."""
    name = plan.bad[number]
    return BAD_FRAMES[name][1] if name is not None else None


def _shares(rng: random.Random, total: int, count: int) -> list[int]:
    """`total` cut into `count` parts, the largest about twice the smallest."""
    weights = [rng.uniform(1, 2) for _ in range(count)]
    ends = [round(total * sum(weights[: i + 1]) / sum(weights)) for i in range(count)]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]
