"""Evaluate silences: times in which a partition had waiting frames but no outcome. Independent of Kafka.

A silence is attributed to the faults that had an effect at the time. Partitions that a fault did not affect may be
silent for as long as Kafka itself needs. The time of affected partitions counts from when Kafka could serve them again.
If a plain consumer was silent at the same time, the machine was the cause (see control.py).
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

BEYOND_S_MAX = 1.0  # guarantee: longest silence of a healthy partition beyond the time that Kafka needs

CONTROL_S_USUAL = 0.5  # five records of the control


@dataclass(frozen=True, slots=True)
class Hit:
    """An injected fault. victims: partitions that it affected. back_s: when Kafka could serve them again.

    blamed_until_s: end of its possible effects, such as a process start, the end of a session, or a rebalance.
    healthy_s, victims_s: see Fault. All times are of the same clock.
    """

    fault: str
    began_s: float
    back_s: float
    blamed_until_s: float
    victims: frozenset[int]
    healthy_s: float
    victims_s: float | None


@dataclass(frozen=True, slots=True)
class Silence:
    """A silence of a partition.

    fault: fault it is attributed to; empty if there was none. alone: no other fault had an effect. whole_s: duration.
    seconds: the part that counts, from when Kafka could serve the partition again. allowed_s: time that Kafka needed;
    None: not evaluated, because the worker was paused or dead. control_s: longest silence of the control in that part.
    """

    fault: str
    partition: int
    began_s: float
    whole_s: float
    seconds: float
    victim: bool
    alone: bool
    allowed_s: float | None
    control_s: float = 0.0

    @property
    def beyond_s(self) -> float:
        """Seconds beyond the time that Kafka needed; 0 if not evaluated."""
        return 0.0 if self.allowed_s is None else max(0.0, self.seconds - self.allowed_s)

    def too_long(self, beyond_s_max: float) -> bool:
        return self.beyond_s > beyond_s_max

    def by_machine(self, beyond_s_max: float) -> bool:
        """Return whether it was too long only because of a silence of the control, which is inconclusive."""
        excused_s = self.control_s if self.control_s > CONTROL_S_USUAL else 0.0
        return self.too_long(beyond_s_max) and self.beyond_s - excused_s <= beyond_s_max


def silences(
    sent: Iterable[tuple[int, float, float | None]],
    outcomes: Iterable[tuple[int, float]],
    hits: Sequence[Hit],
    end_s: float,
    control: Sequence[float] = (),
) -> list[Silence]:
    """Return all silences.

    sent: for each frame its partition, the time it was sent, and the time of its outcome or of its topic's deletion
    (None: neither). outcomes: for each outcome its partition and time. end_s: end of the observation. control: times of
    the control's records; empty if there was no control.
    """
    waiting: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for partition, sent_s, done_s in sent:
        waiting[partition].append((sent_s, end_s if done_s is None else done_s))
    came: dict[int, list[float]] = defaultdict(list)
    for partition, came_s in outcomes:
        came[partition].append(came_s)
    found = [
        _judge(partition, began_s, ended_s, hits)
        for partition, spans in sorted(waiting.items())
        for began_s, ended_s in _gaps(spans, sorted(came[partition]))
    ]
    return [replace(silence, control_s=_longest_gap(control, silence)) for silence in found] if control else found


def longest(found: Iterable[Silence]) -> Mapping[tuple[str, bool], Silence]:
    """Return the longest silence by fault and by whether the partition was affected."""
    most: dict[tuple[str, bool], Silence] = {}
    for silence in found:
        key = silence.fault, silence.victim
        if key not in most or severity(silence) > severity(most[key]):
            most[key] = silence
    return most


def severity(silence: Silence) -> tuple[float, float]:
    """Sort key: silences that were too long because of the worker first, then by length."""
    worker = silence.too_long(BEYOND_S_MAX) and not silence.by_machine(BEYOND_S_MAX)
    return (silence.beyond_s if worker else 0.0), silence.whole_s


def _gaps(spans: list[tuple[float, float]], came: list[float]) -> list[tuple[float, float]]:
    """Return the times in which frames waited and no outcome arrived, split at each outcome."""
    gaps = []
    for began_s, ended_s in _union(spans):
        cuts = [began_s, *(at for at in came if began_s < at < ended_s), ended_s]
        gaps += [(a, b) for a, b in pairwise(cuts) if b > a]
    return gaps


def _longest_gap(control: Sequence[float], silence: Silence) -> float:
    """Return the longest silence of the control within the part of a silence that counts."""
    to_s = silence.began_s + silence.whole_s
    from_s = to_s - silence.seconds
    within = control[bisect_right(control, from_s) : bisect_left(control, to_s)]
    return max(b - a for a, b in pairwise([from_s, *within, to_s]))


def _union(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for began_s, ended_s in sorted(spans):
        if merged and began_s <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], ended_s))
        else:
            merged.append((began_s, ended_s))
    return merged


def _judge(partition: int, began_s: float, ended_s: float, hits: Sequence[Hit]) -> Silence:
    near = [hit for hit in hits if hit.began_s < ended_s and began_s < hit.blamed_until_s]
    if not near:  # the last fault may have after-effects, but does not excuse a silence
        last = max((hit for hit in hits if hit.began_s <= began_s), key=lambda hit: hit.began_s, default=None)
        victim = last is not None and partition in last.victims
        seconds = ended_s - began_s
        return Silence(last.fault if last else "", partition, began_s, seconds, seconds, victim, True, 0.0)
    before = [hit for hit in near if hit.began_s <= began_s]
    blamed = max(before, key=lambda hit: hit.began_s) if before else min(near, key=lambda hit: hit.began_s)
    victim = partition in blamed.victims
    struck = [hit for hit in near if partition in hit.victims]
    from_s, allowed_s = began_s, None
    if all(hit.victims_s is not None for hit in struck):
        from_s = max([began_s, *(min(hit.back_s, ended_s) for hit in struck)])
        allowed_s = sum((hit.victims_s or 0.0) if hit in struck else hit.healthy_s for hit in near)
    alone, whole_s = len(near) == 1, ended_s - began_s
    return Silence(blamed.fault, partition, began_s, whole_s, ended_s - from_s, victim, alone, allowed_s)
