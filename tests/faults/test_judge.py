"""The counting on made-up histories: each kind of fault is found, alone, and a sound history has none."""

import random
from collections.abc import Callable, Sequence
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.faults.judge import Counts, Outcome, Place, SentFrame, judge

FRAMES = [SentFrame(Place(n % 2, n // 2), n, b"%d" % n, "truncated" if n % 5 == 4 else None) for n in range(40)]
MODELS = {"old": 1.0, "new": 0.5}
SOUND = Counts(0, 0, 0, 0, 0, 0, 0)


def expected(model: str, encoded: bytes) -> tuple[str, Sequence[float]] | None:
    """A model that tells frames, and itself, by its scores; every third frame has a defect."""
    if model not in MODELS:
        return None
    score = MODELS[model] * (int(encoded) + 1) / 100
    return ("defect" if int(encoded) % 3 == 0 else "clean"), (score, 1 - score)


def history(model: str = "old") -> list[Outcome]:
    """What a worker without a fault makes of FRAMES."""
    outcomes = []
    for at, frame in enumerate(FRAMES):
        one = Outcome(
            "reject", Place(0, at), frame.place, f"id-{frame.number}", reason=frame.reason, encoded=frame.encoded
        )
        if frame.reason is None:
            label, scores = expected(model, frame.encoded) or ("", ())
            defects = int(label == "defect")
            one = Outcome("result", one.at, frame.place, one.id, model, label, tuple(scores), defects)
            if defects:
                outcomes.append(replace(one, kind="defect", id=one.id + "-defect"))
        outcomes.append(one)
    return outcomes


def counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """What is not 0."""
    found = judge(FRAMES, outcomes, expected)
    return {field.name: value for field in fields(found) if (value := getattr(found, field.name))}


def index(outcomes: Sequence[Outcome], fits: Callable[[Outcome], bool], skip: int = 2) -> int:
    return [i for i, outcome in enumerate(outcomes) if fits(outcome)][skip]


def is_clean(outcome: Outcome) -> bool:
    return outcome.kind == "result" and not outcome.defects


@pytest.mark.parametrize("model", MODELS)
def test_a_sound_history_has_no_fault(model: str) -> None:
    assert judge(FRAMES, history(model), expected) == SOUND


@pytest.mark.parametrize("kind", ["result", "defect", "reject"])
def test_an_outcome_that_is_missing_is_lost(kind: str) -> None:
    outcomes = history()
    gone = outcomes.pop(index(outcomes, lambda o: is_clean(o) if kind == "result" else o.kind == kind))
    assert counts(outcomes) == {"lost": 1}
    assert judge(FRAMES, [o for o in history() if o.frame != gone.frame], expected).lost == 1


def test_a_repeat_does_not_stand_for_a_lost_one() -> None:
    outcomes = history()
    at = index(outcomes, is_clean)
    outcomes[at] = replace(outcomes[index(outcomes, is_clean, 1)], at=outcomes[at].at)
    assert counts(outcomes) == {"lost": 1, "repeated": 1}


@pytest.mark.parametrize("kind", ["result", "defect", "reject"])
def test_an_outcome_that_comes_again_is_repeated_and_not_out_of_order(kind: str) -> None:
    outcomes = history()
    again = outcomes[index(outcomes, lambda o: o.kind == kind)]
    outcomes.append(replace(again, at=Place(0, 1000)))
    found = judge(FRAMES, outcomes, expected)
    assert counts(outcomes) == {"repeated": 1}
    assert found.broken("at-least-once") == []
    assert found.broken("exactly-once") == ["repeated"]


@pytest.mark.parametrize("kind", ["result", "defect", "reject"])
def test_two_frames_of_a_partition_that_change_places_are_out_of_order(kind: str) -> None:
    outcomes = history()
    same = [i for i, o in enumerate(outcomes) if o.kind == kind and o.frame.partition == 0]
    one, two = same[0], same[1]
    outcomes[one], outcomes[two] = (
        replace(outcomes[one], at=outcomes[two].at),
        replace(outcomes[two], at=outcomes[one].at),
    )
    assert counts(outcomes) == {"out_of_order": 1}


def test_a_frame_that_comes_behind_all_others_counts_once() -> None:
    outcomes = history()
    at = index(outcomes, is_clean, 0)
    outcomes[at] = replace(outcomes[at], at=Place(0, 1000))
    assert counts(outcomes) == {"out_of_order": 1}


def test_frames_of_two_partitions_may_come_in_any_order() -> None:
    outcomes = [replace(o, at=Place(0, o.at.offset + 1000 * o.frame.partition)) for o in history()]
    assert judge(FRAMES, outcomes, expected) == SOUND


def test_the_scores_of_one_model_under_the_name_of_another() -> None:
    outcomes = history()
    at = index(outcomes, is_clean)
    outcomes[at] = replace(outcomes[at], model="new")
    assert counts(outcomes) == {"wrong_model": 1}


def test_a_model_that_nobody_has() -> None:
    outcomes = history()
    at = index(outcomes, is_clean)
    outcomes[at] = replace(outcomes[at], model="stranger")
    assert counts(outcomes) == {"wrong_model": 1}


def test_the_scores_of_the_frame_beside() -> None:
    outcomes = history()
    at = index(outcomes, is_clean)
    outcomes[at] = replace(outcomes[at], scores=outcomes[index(outcomes, is_clean, 3)].scores)
    assert counts(outcomes) == {"wrong_model": 1}


def test_a_label_that_is_not_the_best() -> None:
    outcomes = history()
    at = index(outcomes, is_clean)
    outcomes[at] = replace(outcomes[at], label="defect")
    assert counts(outcomes) == {"wrong_model": 1}


@pytest.mark.parametrize("changes", [{"reason": "empty"}, {"encoded": b"other bytes"}])
def test_a_reject_with_another_reason_or_other_bytes(changes: dict[str, object]) -> None:
    outcomes = history()
    at = index(outcomes, lambda o: o.kind == "reject")
    outcomes[at] = replace(outcomes[at], **changes)  # type: ignore[arg-type]
    assert counts(outcomes) == {"wrong_kind": 1}


def test_a_bad_frame_that_was_judged() -> None:
    outcomes = history()
    at = index(outcomes, lambda o: o.kind == "reject")
    outcomes[at] = replace(outcomes[at], kind="result", model="old", label="clean", scores=(0.1, 0.9), reason=None)
    assert counts(outcomes) == {"wrong_kind": 1}


def test_a_good_frame_that_was_rejected() -> None:
    outcomes = history()
    at = index(outcomes, is_clean)
    good = outcomes[at]
    outcomes[at] = Outcome("reject", good.at, good.frame, good.id, reason="truncated", encoded=b"x")
    assert judge(FRAMES, outcomes, expected).wrong_kind == 1


def test_a_defect_that_no_result_knows_of() -> None:
    outcomes = history()
    clean = outcomes[index(outcomes, is_clean)]
    outcomes.append(replace(clean, kind="defect", id=clean.id + "-defect"))
    assert counts(outcomes) == {"wrong_kind": 1}


def test_two_models_that_differ_over_a_defect_need_not_announce_it() -> None:
    outcomes = history()
    at = index(outcomes, lambda o: o.kind == "result" and bool(o.defects))
    saw = outcomes[at]
    outcomes = [o for o in outcomes if not (o.kind == "defect" and o.frame == saw.frame)]
    outcomes.append(replace(saw, at=Place(0, 1000), defects=0))
    assert counts(outcomes) == {"repeated": 1}


def test_a_repeat_with_another_id_cannot_be_dropped_by_a_reader() -> None:
    outcomes = history()
    again = outcomes[index(outcomes, is_clean)]
    outcomes.append(replace(again, at=Place(0, 1000), id="another"))
    assert counts(outcomes) == {"repeated": 1, "wrong_id": 1}


def test_one_id_for_two_frames() -> None:
    outcomes = history()
    at = index(outcomes, is_clean)
    outcomes[at] = replace(outcomes[at], id=outcomes[index(outcomes, is_clean, 4)].id)
    assert counts(outcomes) == {"wrong_id": 1}


def test_an_outcome_of_a_frame_that_was_never_sent() -> None:
    outcomes = history()
    stranger = replace(outcomes[index(outcomes, is_clean)], frame=Place(7, 7), at=Place(0, 1000))
    assert counts([*outcomes, stranger]) == {"unknown": 1}


def gone(number: int) -> list[SentFrame]:
    """FRAMES, of which one was on a topic that was deleted before it had come out."""
    return [replace(frame, may_be_gone=frame.number == number) for frame in FRAMES]


def test_a_frame_whose_topic_was_deleted_is_gone_and_not_lost() -> None:
    outcomes = history()
    clean = outcomes.pop(index(outcomes, is_clean))
    number = next(frame.number for frame in FRAMES if frame.place == clean.frame)
    found = judge(gone(number), outcomes, expected)
    assert found == replace(SOUND, gone=1)
    assert found.broken("exactly-once") == []
    assert judge(gone(number + 1), outcomes, expected).lost == 1  # it excuses no other frame


def test_a_frame_that_came_out_though_its_topic_went_is_judged_as_any_other() -> None:
    assert judge(gone(0), history(), expected) == SOUND
    outcomes = [*history(), replace(history()[0], at=Place(0, 1000))]
    assert judge(gone(0), outcomes, expected).repeated == 1


def test_the_new_topic_has_an_order_of_its_own() -> None:
    later = [replace(frame, place=frame.place._replace(generation=1), number=frame.number + 40) for frame in FRAMES]
    again = [
        replace(o, frame=o.frame._replace(generation=1), at=Place(0, o.at.offset + 1000), id=f"again-{o.id}")
        for o in history()
    ]
    assert judge([*FRAMES, *later], [*history(), *again], expected) == SOUND
    assert judge([*FRAMES, *later], history(), expected).lost == len(FRAMES)
    assert judge(FRAMES, [*history(), *again], expected).unknown == len(again)


@pytest.mark.parametrize(("encoded", "wrong"), [(b"3", 0), (b"", 0), (b"4", 1), (b"399", 1)])
def test_a_reject_may_carry_the_beginning_of_its_frame_where_that_is_said(encoded: bytes, wrong: int) -> None:
    frames = [replace(frame, cut=frame.number == 39) for frame in FRAMES]
    outcomes = history()
    at = next(i for i, outcome in enumerate(outcomes) if outcome.encoded == b"39")
    outcomes[at] = replace(outcomes[at], encoded=encoded)
    assert judge(frames, outcomes, expected).wrong_kind == wrong
    assert judge(FRAMES, outcomes, expected).wrong_kind == 1


@settings(max_examples=200)
@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(0, 6))
def test_any_mixture_of_lost_and_repeated_is_counted(seed: int, lost: int, repeated: int) -> None:
    rng = random.Random(seed)
    outcomes = [o for o in history() if o.kind != "defect"]
    clean = [o for o in outcomes if is_clean(o)]
    gone = rng.sample(clean, lost)
    kept = [o for o in history() if o not in gone]
    again = rng.choices([o for o in clean if o not in gone], k=repeated)
    shuffled = [*kept, *(replace(o, at=Place(0, 1000 + i)) for i, o in enumerate(again))]
    rng.shuffle(shuffled)
    assert judge(FRAMES, shuffled, expected) == replace(SOUND, lost=lost, repeated=repeated)
