"""Counting on constructed histories: each kind of fault is found alone, and a correct history has none."""

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
    """Return label and scores, which identify the frame and the model; every third frame has a defect."""
    if model not in MODELS:
        return None
    score = MODELS[model] * (int(encoded) + 1) / 100
    return ("defect" if int(encoded) % 3 == 0 else "clean"), (score, 1 - score)


def history(model: str = "old") -> list[Outcome]:
    """Return the outcomes of FRAMES from a correct worker."""
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
    """Return the counts that are not 0."""
    found = judge(FRAMES, outcomes, expected)
    return {field.name: value for field in fields(found) if (value := getattr(found, field.name))}


def index(outcomes: Sequence[Outcome], fits: Callable[[Outcome], bool], skip: int = 2) -> int:
    return [i for i, outcome in enumerate(outcomes) if fits(outcome)][skip]


def is_clean(outcome: Outcome) -> bool:
    return outcome.kind == "result" and not outcome.defects


@pytest.mark.parametrize("model", MODELS)
def test_a_correct_history_has_no_fault(model: str) -> None:
    assert judge(FRAMES, history(model), expected) == SOUND


@pytest.mark.parametrize("kind", ["result", "defect", "reject"])
def test_a_missing_outcome_is_lost(kind: str) -> None:
    outcomes = history()
    gone = outcomes.pop(index(outcomes, lambda o: is_clean(o) if kind == "result" else o.kind == kind))
    assert counts(outcomes) == {"lost": 1}
    assert judge(FRAMES, [o for o in history() if o.frame != gone.frame], expected).lost == 1


def test_a_repeat_does_not_replace_a_lost_outcome() -> None:
    outcomes = history()
    at = index(outcomes, is_clean)
    outcomes[at] = replace(outcomes[index(outcomes, is_clean, 1)], at=outcomes[at].at)
    assert counts(outcomes) == {"lost": 1, "repeated": 1}


@pytest.mark.parametrize("kind", ["result", "defect", "reject"])
def test_a_repeated_outcome_is_not_out_of_order(kind: str) -> None:
    outcomes = history()
    again = outcomes[index(outcomes, lambda o: o.kind == kind)]
    outcomes.append(replace(again, at=Place(0, 1000)))
    found = judge(FRAMES, outcomes, expected)
    assert counts(outcomes) == {"repeated": 1}
    assert found.broken("at-least-once") == []
    assert found.broken("exactly-once") == ["repeated"]


@pytest.mark.parametrize("kind", ["result", "defect", "reject"])
def test_two_swapped_frames_of_a_partition_are_out_of_order(kind: str) -> None:
    outcomes = history()
    same = [i for i, o in enumerate(outcomes) if o.kind == kind and o.frame.partition == 0]
    one, two = same[0], same[1]
    outcomes[one], outcomes[two] = (
        replace(outcomes[one], at=outcomes[two].at),
        replace(outcomes[two], at=outcomes[one].at),
    )
    assert counts(outcomes) == {"out_of_order": 1}


def test_a_frame_after_all_others_counts_once_as_out_of_order() -> None:
    outcomes = history()
    at = index(outcomes, is_clean, 0)
    outcomes[at] = replace(outcomes[at], at=Place(0, 1000))
    assert counts(outcomes) == {"out_of_order": 1}


def test_frames_of_two_partitions_may_come_in_any_order() -> None:
    outcomes = [replace(o, at=Place(0, o.at.offset + 1000 * o.frame.partition)) for o in history()]
    assert judge(FRAMES, outcomes, expected) == SOUND


def test_scores_of_another_model_are_a_wrong_model() -> None:
    outcomes = history()
    at = index(outcomes, is_clean)
    outcomes[at] = replace(outcomes[at], model="new")
    assert counts(outcomes) == {"wrong_model": 1}


def test_an_unknown_model_is_a_wrong_model() -> None:
    outcomes = history()
    at = index(outcomes, is_clean)
    outcomes[at] = replace(outcomes[at], model="stranger")
    assert counts(outcomes) == {"wrong_model": 1}


def test_scores_of_the_next_frame_are_a_wrong_model() -> None:
    outcomes = history()
    at = index(outcomes, is_clean)
    outcomes[at] = replace(outcomes[at], scores=outcomes[index(outcomes, is_clean, 3)].scores)
    assert counts(outcomes) == {"wrong_model": 1}


def test_a_label_without_the_best_score_is_a_wrong_model() -> None:
    outcomes = history()
    at = index(outcomes, is_clean)
    outcomes[at] = replace(outcomes[at], label="defect")
    assert counts(outcomes) == {"wrong_model": 1}


@pytest.mark.parametrize("changes", [{"reason": "empty"}, {"encoded": b"other bytes"}])
def test_a_reject_with_a_wrong_reason_or_wrong_bytes_is_a_wrong_kind(changes: dict[str, object]) -> None:
    outcomes = history()
    at = index(outcomes, lambda o: o.kind == "reject")
    outcomes[at] = replace(outcomes[at], **changes)  # type: ignore[arg-type]
    assert counts(outcomes) == {"wrong_kind": 1}


def test_a_bad_frame_with_a_result_is_a_wrong_kind() -> None:
    outcomes = history()
    at = index(outcomes, lambda o: o.kind == "reject")
    outcomes[at] = replace(outcomes[at], kind="result", model="old", label="clean", scores=(0.1, 0.9), reason=None)
    assert counts(outcomes) == {"wrong_kind": 1}


def test_a_rejected_good_frame_is_a_wrong_kind() -> None:
    outcomes = history()
    at = index(outcomes, is_clean)
    good = outcomes[at]
    outcomes[at] = Outcome("reject", good.at, good.frame, good.id, reason="truncated", encoded=b"x")
    assert judge(FRAMES, outcomes, expected).wrong_kind == 1


def test_a_defect_event_without_a_defect_in_the_result() -> None:
    outcomes = history()
    clean = outcomes[index(outcomes, is_clean)]
    outcomes.append(replace(clean, kind="defect", id=clean.id + "-defect"))
    assert counts(outcomes) == {"wrong_kind": 1}


def test_a_defect_found_by_only_one_of_two_models_needs_no_event() -> None:
    outcomes = history()
    at = index(outcomes, lambda o: o.kind == "result" and bool(o.defects))
    saw = outcomes[at]
    outcomes = [o for o in outcomes if not (o.kind == "defect" and o.frame == saw.frame)]
    outcomes.append(replace(saw, at=Place(0, 1000), defects=0))
    assert counts(outcomes) == {"repeated": 1}


def test_a_repeat_with_another_id_is_a_wrong_id() -> None:
    outcomes = history()
    again = outcomes[index(outcomes, is_clean)]
    outcomes.append(replace(again, at=Place(0, 1000), id="another"))
    assert counts(outcomes) == {"repeated": 1, "wrong_id": 1}


def test_one_id_for_two_frames_is_a_wrong_id() -> None:
    outcomes = history()
    at = index(outcomes, is_clean)
    outcomes[at] = replace(outcomes[at], id=outcomes[index(outcomes, is_clean, 4)].id)
    assert counts(outcomes) == {"wrong_id": 1}


def test_an_outcome_of_a_frame_that_was_never_sent_is_unknown() -> None:
    outcomes = history()
    stranger = replace(outcomes[index(outcomes, is_clean)], frame=Place(7, 7), at=Place(0, 1000))
    assert counts([*outcomes, stranger]) == {"unknown": 1}


def gone(number: int) -> list[SentFrame]:
    """Return FRAMES, one of them on a topic that was deleted before its outcome."""
    return [replace(frame, may_be_gone=frame.number == number) for frame in FRAMES]


def test_a_frame_whose_topic_was_deleted_is_gone_and_not_lost() -> None:
    outcomes = history()
    clean = outcomes.pop(index(outcomes, is_clean))
    number = next(frame.number for frame in FRAMES if frame.place == clean.frame)
    found = judge(gone(number), outcomes, expected)
    assert found == replace(SOUND, gone=1)
    assert found.broken("exactly-once") == []
    assert judge(gone(number + 1), outcomes, expected).lost == 1  # other frames are not excused


def test_an_outcome_of_a_frame_on_a_deleted_topic_is_checked_like_any_other() -> None:
    assert judge(gone(0), history(), expected) == SOUND
    outcomes = [*history(), replace(history()[0], at=Place(0, 1000))]
    assert judge(gone(0), outcomes, expected).repeated == 1


def test_the_order_starts_again_with_a_recreated_topic() -> None:
    later = [replace(frame, place=frame.place._replace(generation=1), number=frame.number + 40) for frame in FRAMES]
    again = [
        replace(o, frame=o.frame._replace(generation=1), at=Place(0, o.at.offset + 1000), id=f"again-{o.id}")
        for o in history()
    ]
    assert judge([*FRAMES, *later], [*history(), *again], expected) == SOUND
    assert judge([*FRAMES, *later], history(), expected).lost == len(FRAMES)
    assert judge(FRAMES, [*history(), *again], expected).unknown == len(again)


@pytest.mark.parametrize(("encoded", "wrong"), [(b"3", 0), (b"", 0), (b"4", 1), (b"399", 1)])
def test_a_reject_marked_as_cut_may_carry_only_the_beginning_of_its_frame(encoded: bytes, wrong: int) -> None:
    frames = [replace(frame, cut=frame.number == 39) for frame in FRAMES]
    outcomes = history()
    at = next(i for i, outcome in enumerate(outcomes) if outcome.encoded == b"39")
    outcomes[at] = replace(outcomes[at], encoded=encoded)
    assert judge(frames, outcomes, expected).wrong_kind == wrong
    assert judge(FRAMES, outcomes, expected).wrong_kind == 1


@settings(max_examples=200)
@given(st.integers(0, 2**32 - 1), st.integers(0, 6), st.integers(0, 6))
def test_counts_any_mixture_of_lost_and_repeated_frames(seed: int, lost: int, repeated: int) -> None:
    rng = random.Random(seed)
    outcomes = [o for o in history() if o.kind != "defect"]
    clean = [o for o in outcomes if is_clean(o)]
    gone = rng.sample(clean, lost)
    kept = [o for o in history() if o not in gone]
    again = rng.choices([o for o in clean if o not in gone], k=repeated)
    shuffled = [*kept, *(replace(o, at=Place(0, 1000 + i)) for i, o in enumerate(again))]
    rng.shuffle(shuffled)
    assert judge(FRAMES, shuffled, expected) == replace(SOUND, lost=lost, repeated=repeated)
