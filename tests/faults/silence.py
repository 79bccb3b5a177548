"""How long partitions were silent: no outcome came, though frames of theirs were waiting. It knows nothing of Kafka.

A silence is blamed on the faults that had an effect at the time. Partitions that a fault did not hit
may be silent for as long as Kafka itself needs, those that it hit only count from when Kafka could serve them again.
A plain consumer that was silent as well at the time shows that the machine was the reason (see control.py).
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

BEYOND_S_MAX = 1.0  # what is promised: a healthy partition is silent for no more than this beyond what Kafka needs

CONTROL_S_USUAL = 0.5  # five of its records


@dataclass(frozen=True, slots=True)
class Hit:
    """A fault that struck. victims: the partitions that it hit. back_s: when Kafka could serve them again.

    blamed_until_s: until when it can be blamed: a process starts, a session ends, a group forms.
    healthy_s, victims_s: see Fault. Times are of one clock.
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
    """fault: the one that is blamed; empty: none had struck. alone: no other had an effect.

    whole_s: how long it was. seconds: what is judged of it, from when Kafka could serve the partition again. allowed_s:
    what Kafka needed of that; None: it is not judged, since the worker was away. control_s: the longest silence of the
    control within what is judged.
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
        """How much longer it was than Kafka needed; 0 where it is not judged."""
        return 0.0 if self.allowed_s is None else max(0.0, self.seconds - self.allowed_s)

    def too_long(self, beyond_s_max: float) -> bool:
        return self.beyond_s > beyond_s_max

    def by_machine(self, beyond_s_max: float) -> bool:
        """It was too long, and would not have been without the silence of the control, so it proves nothing."""
        excused_s = self.control_s if self.control_s > CONTROL_S_USUAL else 0.0
        return self.too_long(beyond_s_max) and self.beyond_s - excused_s <= beyond_s_max


def silences(
    sent: Iterable[tuple[int, float, float | None]],
    outcomes: Iterable[tuple[int, float]],
    hits: Sequence[Hit],
    end_s: float,
    control: Sequence[float] = (),
) -> list[Silence]:
    """control: when each record of the control came; empty: there was none.

    sent: of each frame its partition, when it was sent, and when it had come out, or its topic had gone (None:
    never). outcomes: of each its partition, and when it came. end_s: when watching ended.
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
    """By fault and whether the partition was a victim."""
    most: dict[tuple[str, bool], Silence] = {}
    for silence in found:
        key = silence.fault, silence.victim
        if key not in most or severity(silence) > severity(most[key]):
            most[key] = silence
    return most


def severity(silence: Silence) -> tuple[float, float]:
    """Those that were too long by the worker first, then by length."""
    worker = silence.too_long(BEYOND_S_MAX) and not silence.by_machine(BEYOND_S_MAX)
    return (silence.beyond_s if worker else 0.0), silence.whole_s


def _gaps(spans: list[tuple[float, float]], came: list[float]) -> list[tuple[float, float]]:
    """When something was waiting and nothing came: cut at each outcome."""
    gaps = []
    for began_s, ended_s in _union(spans):
        cuts = [began_s, *(at for at in came if began_s < at < ended_s), ended_s]
        gaps += [(a, b) for a, b in pairwise(cuts) if b > a]
    return gaps


def _longest_gap(control: Sequence[float], silence: Silence) -> float:
    """Of the control, within what is judged of a silence."""
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
    if not near:  # the last one may have left something behind, but is no excuse
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
