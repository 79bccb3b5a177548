"""The list of rejected frames is bounded, has plain words, and forgets frames that were inspected later."""

from stripwatch.worker.coils.tracking.observations import observation_from_reject
from stripwatch.worker.contracts.positions import Position
from stripwatch.worker.dashboard.state.reject_list import REJECTS_MAX, RejectList
from tests.worker.dashboard.events import LINE
from tests.worker.dashboard.histories import NOW_MS, new_history, replayed


def headers(identity: str, reason: str = "truncated", kept: int = 9, detail: str = "half") -> list[tuple[str, bytes]]:
    return [
        ("ce_id", identity.encode()),
        ("ce_source", f"{LINE}/top-1".encode()),
        ("ce_subject", b"C1"),
        ("stripwatch_reason", reason.encode()),
        ("stripwatch_detail", detail.encode()),
        ("stripwatch_bytes_kept", str(kept).encode()),
    ]


def place(offset: int) -> Position:
    return Position("inspection.rejects", 0, offset)


def add(rejects: RejectList, written: list[tuple[str, bytes]], position: Position) -> None:
    observation = observation_from_reject(b"top-1", written, NOW_MS)
    assert observation is not None
    rejects.add(observation, written, NOW_MS, position)


def test_an_entry_says_camera_time_reason_and_where_its_picture_is() -> None:
    rejects = RejectList("run")
    add(rejects, headers("a"), place(4))
    (card,) = rejects.newest_first()
    assert (card.camera, card.line, card.coil, card.reason, card.detail) == ("top-1", LINE, "C1", "truncated", "half")
    assert card.meaning == "The image ends early: bytes are missing."
    assert (card.picture, rejects.position("run/1")) == ("run/1", place(4))
    assert rejects.position("another/1") is None


def test_an_unknown_reason_and_a_frame_without_bytes_are_stated() -> None:
    rejects = RejectList("run")
    add(rejects, headers("a", reason="new-reason", kept=0), place(4))
    (card,) = rejects.newest_first()
    assert card.picture is None
    assert "does not know" in card.meaning


def test_repeats_are_ignored_and_memory_is_bounded() -> None:
    rejects = RejectList("run")
    for number in range(300):
        for _ in range(2):
            add(rejects, headers(f"id-{number}", "r" * 9_000, detail="d" * 9_000), place(number))
    found = rejects.newest_first()
    assert len(found) == REJECTS_MAX
    assert [card.id for card in found[:2]] == ["id-299", "id-298"]
    assert max(len(card.detail) for card in found) == 400
    assert max(len(card.reason) for card in found) == 200
    assert rejects.changes == (300, REJECTS_MAX)


def test_a_frame_that_was_inspected_later_leaves_the_list() -> None:
    history = new_history()
    for identity in ("r1", "r2"):
        history.add_reject(b"top-1", headers(identity), NOW_MS, 0.0, live=True, position=place(1))
    history.add_result(replayed(0, "r1"), NOW_MS, 0.0, live=True)
    assert [card.id for card in history.rejects.newest_first()] == ["r2"]


def test_a_reject_that_is_read_after_the_result_of_its_replayed_frame_is_not_listed() -> None:
    history = new_history()
    history.add_result(replayed(0, "r1"), NOW_MS, 0.0, live=True)
    history.add_reject(b"top-1", headers("r1"), NOW_MS, 0.0, live=True, position=place(1))
    assert history.rejects.newest_first() == []


def test_a_record_that_is_not_a_reject_is_not_listed() -> None:
    history = new_history()
    history.add_reject(None, [("ce_time", b"x")], NOW_MS, 0.0, live=True, position=place(0))
    assert history.rejects.newest_first() == []
