"""Compare sent frames with outcomes and count the differences. Independent of Kafka and workers."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Literal, NamedTuple

Delivery = Literal["at-least-once", "exactly-once"]
DELIVERIES: tuple[Delivery, ...] = ("at-least-once", "exactly-once")
SCORE_TOLERANCE = 1e-5  # ten times the rounding of events, a tenth of the difference between two models or two frames


class Place(NamedTuple):
    """Position of a record. generation: number of times that the topic had been recreated."""

    partition: int
    offset: int
    generation: int = 0

    @property
    def stream(self) -> tuple[int, int]:
        """The partition and generation, within which records are ordered."""
        return self.generation, self.partition


@dataclass(frozen=True, slots=True)
class SentFrame:
    """A frame in its topic. reason: reason for which it must be rejected; None if it must become a result.

    may_be_gone: its topic was deleted before its outcome. cut: its reject may carry only a part of it.
    """

    place: Place
    number: int
    encoded: bytes
    reason: str | None
    may_be_gone: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """A result, defect event or reject. at: its own place. frame: the place of its frame.

    model, label, scores, defects: set for results and defect events. reason, encoded: set for rejects.
    """

    kind: Literal["result", "defect", "reject"]
    at: Place
    frame: Place
    id: str
    model: str = ""
    label: str | None = None
    scores: tuple[float, ...] = ()
    defects: int = 0
    reason: str | None = None
    encoded: bytes = b""


# Return label and scores of an encoded frame for the model with a SHA-256; None if there is no such model.
Expected = Callable[[str, bytes], tuple[str, Sequence[float]] | None]


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of frames or events. Every delivery setting guarantees 0 for all but `repeated` and `gone`.

    lost: frames without result or reject, and defects without a defect event. gone: frames without an outcome whose
    topic was deleted before they could have one, which is no fault of the worker. repeated: outcomes after a frame's
    first. out_of_order: outcomes after that of a later frame of their partition, without repeats. wrong_model: results
    that differ from those of the model they name. wrong_kind: good frames rejected, bad frames inspected, or rejects
    with a wrong reason or wrong bytes. wrong_id: frames with two ids, and ids of two frames. unknown: outcomes of
    frames that were never sent.
    """

    lost: int
    repeated: int
    out_of_order: int
    wrong_model: int
    wrong_kind: int
    wrong_id: int
    unknown: int
    gone: int = 0

    def broken(self, delivery: Delivery) -> list[str]:
        """Return the names of broken guarantees; at-least-once allows repeats."""
        allowed = {"gone", "repeated"} if delivery == "at-least-once" else {"gone"}
        return [field.name for field in fields(self) if getattr(self, field.name) and field.name not in allowed]


def judge(frames: Iterable[SentFrame], outcomes: Sequence[Outcome], expected: Expected) -> Counts:
    """Count the differences. outcomes: in any order, as read with read_committed."""
    sent = {frame.place: frame for frame in frames}
    known = [outcome for outcome in outcomes if outcome.frame in sent]
    answers = _by_frame(outcome for outcome in known if outcome.kind != "defect")
    defects = _by_frame(outcome for outcome in known if outcome.kind == "defect")
    missing = sent.keys() - answers.keys()
    gone = sum(sent[place].may_be_gone for place in missing)
    return Counts(
        lost=len(missing) - gone + sum(_lacks_defect(answers[p], defects.get(p)) for p in answers),
        repeated=sum(len(found) - 1 for found in (*answers.values(), *defects.values())),
        out_of_order=_out_of_order(known),
        wrong_model=sum(not _made_by_its_model(o, sent[o.frame], expected) for o in known if o.kind != "reject"),
        wrong_kind=sum(not _of_its_kind(outcome, sent[outcome.frame]) for outcome in known)
        + sum(_has_defect_too_many(answers.get(p, []), p in defects) for p in defects),
        wrong_id=_wrong_ids(known),
        unknown=len(outcomes) - len(known),
        gone=gone,
    )


def _by_frame(outcomes: Iterable[Outcome]) -> dict[Place, list[Outcome]]:
    found: dict[Place, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        found[outcome.frame].append(outcome)
    return dict(found)


def _lacks_defect(answers: list[Outcome], defects: list[Outcome] | None) -> bool:
    """Return whether a defect event is missing. After two models, it is required only if both found a defect."""
    return all(answer.defects for answer in answers) and not defects


def _has_defect_too_many(answers: list[Outcome], announced: bool) -> bool:
    return announced and not any(answer.defects for answer in answers)


def _out_of_order(outcomes: Iterable[Outcome]) -> int:
    """Count outcomes after that of a later frame, per output partition and frames partition."""
    latest: dict[tuple[str, int, tuple[int, int]], int] = {}
    seen: set[tuple[str, Place]] = set()
    behind = 0
    for outcome in sorted(outcomes, key=lambda outcome: (outcome.kind, outcome.at)):
        if (outcome.kind, outcome.frame) in seen:
            continue
        seen.add((outcome.kind, outcome.frame))
        stream = (outcome.kind, outcome.at.partition, outcome.frame.stream)
        behind += outcome.frame.offset < latest.get(stream, -1)
        latest[stream] = max(outcome.frame.offset, latest.get(stream, -1))
    return behind


def _made_by_its_model(outcome: Outcome, frame: SentFrame, expected: Expected) -> bool:
    if frame.reason is not None:
        return True  # it should not exist, and counts as wrong_kind
    said = expected(outcome.model, frame.encoded)
    if said is None or len(said[1]) != len(outcome.scores):
        return False
    label, scores = said
    close = all(abs(a - b) <= SCORE_TOLERANCE for a, b in zip(scores, outcome.scores, strict=True))
    return close and outcome.label == label


def _of_its_kind(outcome: Outcome, frame: SentFrame) -> bool:
    if outcome.kind != "reject":
        return frame.reason is None
    expected = frame.encoded[: len(outcome.encoded)] if frame.cut else frame.encoded
    return outcome.reason == frame.reason and outcome.encoded == expected


def _wrong_ids(outcomes: Iterable[Outcome]) -> int:
    ids: dict[tuple[str, Place], set[str]] = defaultdict(set)
    owners: dict[str, set[Place]] = defaultdict(set)
    for outcome in outcomes:
        ids[outcome.kind, outcome.frame].add(outcome.id)
        owners[outcome.id].add(outcome.frame)
    return sum(len(found) > 1 for found in ids.values()) + sum(len(found) > 1 for found in owners.values())
