from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from stripwatch.worker.coils.tracking.observations import NOVEL
from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.dashboard.state.cards import CARDS_MAX
from stripwatch.worker.dashboard.state.coil_list import COILS_MAX
from stripwatch.worker.dashboard.state.history import History
from tests.worker.dashboard.events import LINE, Shown, event
from tests.worker.dashboard.histories import AT, NOW_MS, add, new_history, replayed


def totals(history: History) -> dict[str, Any]:
    found: dict[str, Any] = history.state()["totals"]
    return found


def test_defect_is_counted_and_shown_with_its_position() -> None:
    history = new_history()
    add(history, Shown(0, label="pits"))
    add(history, Shown(1))
    state = history.state()
    assert state["totals"] == {"inspected": 2, "defect": 1, "clean": 1, "defect_frames": 1}
    assert state["labels"] == {"pits": 1}
    (line,) = state["lines"]
    assert (line["line"], line["latency_ms_p50"], line["cameras"][0]["defects"]) == (LINE, 1000, 1)
    (card,) = history.cards_after(0)
    assert (card.seq, card.label, card.strip_mm) == (1, "pits", (50, 150))
    assert card.picture == f"{history.run_id}/1"
    found = history.position(card.picture)
    assert found is not None
    assert found[1] is not None
    assert (found[1].topic, found[1].partition, found[1].offset) == ("frames", 1, 0)
    assert history.cards_after(1) == []
    assert history.position(f"{history.run_id}/2") is None
    assert history.position("another-run/1") is None


def test_repeat_is_not_shown_twice() -> None:
    history = new_history()
    for _ in range(2):
        add(history, Shown(0, label="pits"))
    assert totals(history)["inspected"] == 1
    assert len(history.cards_after(0)) == 1


@pytest.mark.parametrize("cameras", [0, 100], ids=["known", "other"])
def test_result_of_a_replay_replaces_its_reject(cameras: int) -> None:
    history = new_history()
    for number in range(cameras):  # the camera of the replay then counts as "other"
        add(history, Shown(number, camera=f"c{number}"), live=False)
    headers = [("ce_id", b"r1"), ("ce_source", f"{LINE}/top-1".encode()), ("ce_subject", b"C1")]
    history.add_reject(b"top-1", headers, NOW_MS, 0.0, live=True)
    assert history.state()["running"][0]["frames"]["rejected"] == 1
    history.add_result(replayed(0, "r1"), NOW_MS, 0.0, live=True)
    state = history.state()
    assert (state["totals"]["inspected"], state["totals"]["rejected"]) == (cameras + 1, 0)
    assert sum(camera.get("rejected", 0) for camera in state["lines"][0]["cameras"]) == 0
    assert state["running"][0]["frames"] == {"inspected": cameras + 1, "skipped": 0, "rejected": 0}


def test_latency_excludes_replayed_frames() -> None:
    history = new_history()
    add(history, Shown(0))
    history.add_result(replayed(1, "r1"), NOW_MS, 0.0, live=True)
    (line,) = history.state()["lines"]
    assert (line["latency_ms_p50"], line["latency_ms_p99"]) == (1000, 1000)


def test_counts_records_that_are_not_events_as_unreadable() -> None:
    history = new_history()
    history.add_result(b"{", NOW_MS, 0.0, live=True)
    history.add_reject(None, [], NOW_MS, 0.0, live=True)
    assert totals(history) == {"unreadable": 2}


def test_rates_exclude_the_backlog() -> None:
    now = [NOW_MS / 1000 - 1]
    history = History(clock=lambda: now[0])
    for number in range(20):
        add(history, Shown(number), live=number >= 10)
    now[0] += 1
    assert history.state()["frames_per_second"] == 1.0


def test_coil_moves_from_running_to_ended() -> None:
    history = new_history()
    add(history, Shown(0, label="pits"))
    (running,) = history.state()["running"]
    assert running["defects"] == {"pits": 1}
    history.close_coils(200.0)
    state = history.state()
    assert (state["running"], state["ended"]) == ([], running["id"])
    (row,) = history.ended_rows()
    assert (row["ended"], "strip_defects" in row) == ("silence", False)
    found = history.coil(running["id"])
    assert found is not None
    assert (found[1].strip, found[1].lanes[0].covered, len(found[1].marks)) == ((0, 200), [(0, 200)], 1)
    assert history.coil("no such id") is None


def test_late_frames_are_counted_and_correct_their_coil() -> None:
    history = new_history()
    for number in (0, 1, 5):
        add(history, Shown(number), read_s=number, captured_s=number)
    add(history, Shown(0, coil="C2"), read_s=6, captured_s=6)
    history.close_coils(110)
    changes = history.state()["ended_changes"]
    (before,) = history.ended_rows()
    assert (before["coil"], before["uncovered_mm"], before["revision"]) == ("C1", 600, 1)
    for number in (2, 3, 4):
        add(history, Shown(number, label="pits"), read_s=120, captured_s=number)
    assert [card.coil for card in history.cards_after(0)] == ["C1"] * 3
    assert (totals(history)["late"], totals(history)["inspected"], totals(history)["defect_frames"]) == (3, 7, 3)
    history.close_coils(120)
    assert history.ended_rows() == [before], "corrections wait for further late frames"
    history.close_coils(215)
    after = next(row for row in history.ended_rows() if row["coil"] == "C1")
    assert (after["id"], after["uncovered_mm"], after["revision"]) == (before["id"], 0, 2)
    assert after["frames"]["inspected"] == 6
    assert history.state()["ended_changes"] > changes
    found = history.coil(before["id"])
    assert found is not None
    assert (found[0].strip_defects_total, len(found[1].marks)) == (3, 3)


def test_reopened_coil_is_no_longer_listed_as_ended() -> None:
    history = new_history()
    add(history, Shown(0), read_s=0)
    history.close_coils(130)
    (ended,) = history.ended_rows()
    add(history, Shown(1), read_s=140, captured_s=60)
    (running,) = history.state()["running"]
    assert (running["id"], running["revision"], history.ended_rows()) == (ended["id"], 2, [])


def test_memory_stays_bounded_with_endless_new_names() -> None:
    """A sender that names a new line, camera, class, coil and model in every frame."""
    history = new_history()
    for number in range(600):
        name = f"n{number}"
        add(history, Shown(number, coil=name, camera=name, label=name, line=f"/l{number % 40}"), read_s=number)
        history.close_coils(number)
    state = history.state()
    assert len(state["lines"]) <= 17
    assert all(len(line["cameras"]) <= 65 for line in state["lines"])
    assert len(state["labels"]) <= 65
    assert sum(state["labels"].values()) == 600
    assert len(history.cards_after(0)) == CARDS_MAX
    assert len(history.ended_rows()) <= COILS_MAX
    assert len(state["running"]) <= 20


def test_counts_the_flags_of_each_camera() -> None:
    history = new_history()
    flags = ((), (FrameFlag.SIZE,), (FrameFlag.SIZE, FrameFlag.SCALE))
    for number, of_frame in enumerate(flags):
        place = SimpleNamespace(topic="frames", partition=1, offset=number)
        unsure = replace(event(Shown(number), place, AT), verdict="unsure", flags=of_frame)
        history.add_result(msgspec.json.encode(unsure), NOW_MS, 0.0, True)
    assert totals(history) == {"inspected": 3, "unsure": 3, "flagged": 2}
    (camera,) = history.state()["lines"][0]["cameras"]
    assert (camera["unsure"], camera["flags"]) == (3, {"size": 2, "scale": 1})
    assert history.state()["running"][0]["flags"] == {"size": 2, "scale": 1}


def test_marks_the_first_coil_of_each_line_if_reading_started_in_the_middle() -> None:
    """Its report covers only a part of the coil, and the reader must know."""
    history = new_history()
    history.read_from_middle()
    for coil, line in (("C1", LINE), ("C2", LINE), ("D1", "/plant/line-2")):
        add(history, Shown(0, coil=coil, line=line))
    state = history.state()
    assert {row["coil"]: row["first_frames_unread"] for row in state["running"]} == {
        "C1": True,
        "C2": False,
        "D1": True,
    }
    history.close_coils(200.0)
    rows = history.ended_rows()
    assert {row["coil"]: row["first_frames_unread"] for row in rows} == {"C1": True, "C2": False, "D1": True}
    for row in rows:
        found = history.coil(row["id"])
        assert found is not None
        assert found[2] is row["first_frames_unread"]


def test_marks_no_coil_if_the_topic_was_read_from_its_beginning() -> None:
    history = new_history()
    add(history, Shown(0))
    assert [row["first_frames_unread"] for row in history.state()["running"]] == [False]


def test_running_lines_come_first_and_keep_their_order() -> None:
    history = new_history()
    for line, age_s in ((None, 0), ("/plant/line-1", 840), ("/plant/line-3", 5), ("/plant/line-2", 20)):
        add(history, Shown(0, line=line, coil=str(line)), read_s=-age_s, captured_s=-age_s)
    rows = history.state()["lines"]
    assert [(row["line"], row["stopped"]) for row in rows] == [
        ("/plant/line-2", False),
        ("/plant/line-3", False),
        ("", False),
        ("/plant/line-1", True),
    ]
    assert rows[-1]["last_ms"] == NOW_MS - 841_000


@pytest.mark.parametrize(("age_s", "clock_s", "stopped"), [(1, -600, False), (1, 600, False), (90, 600, True)])
def test_a_wrong_camera_clock_does_not_hide_whether_the_line_runs(age_s: int, clock_s: int, stopped: bool) -> None:
    history = new_history()
    add(history, Shown(0), read_s=-age_s, captured_s=clock_s)
    (line,) = history.state()["lines"]
    assert line["stopped"] is stopped
    assert line["cameras"][0]["health"]["word"] == ("line stopped" if stopped else "not known")


def test_a_replayed_frame_does_not_start_a_stopped_line() -> None:
    history = new_history()
    add(history, Shown(0), read_s=-600, captured_s=-600)
    history.add_result(replayed(1, "reject"), NOW_MS, 0.0, live=True)
    assert [line["stopped"] for line in history.state()["lines"]] == [True]


def test_states_the_time_of_the_oldest_record_that_is_counted() -> None:
    history = new_history()
    assert history.state()["since_ms"] is None
    add(history, Shown(0), read_s=20)
    add(history, Shown(1), read_s=-600)
    headers = [("ce_id", b"r1"), ("ce_source", f"{LINE}/top-1".encode())]
    history.add_reject(b"top-1", headers, NOW_MS + 30_000, 30.0, live=True)
    assert history.state()["since_ms"] == NOW_MS - 600_000


def test_novel_frame_is_listed_and_counted_and_has_no_defect() -> None:
    history = new_history()
    add(history, Shown(0, label="pits", novelty=10.0))
    add(history, Shown(1, label="pits"))
    state = history.state()
    assert state["totals"] == {"inspected": 2, "unsure": 1, "novel": 1, "defect": 1, "defect_frames": 1}
    assert state["labels"] == {"pits": 1, NOVEL: 1}
    assert history.label_numbers() == {"pits": 0}, "a novel frame takes no colour from a class"
    (camera,) = state["lines"][0]["cameras"]
    assert (camera["unsure"], camera["novel"], camera["defects"]) == (1, 1, 1)
    novel, ordinary = history.cards_after(0)
    assert (novel.novel, novel.label, novel.labels, novel.boxes) == (True, "pits", [], [])
    assert (novel.novelty, novel.novelty_threshold, novel.strip_mm) == (10.0, 4.0, (0, 200))
    assert (ordinary.novel, ordinary.labels) == (False, ["pits"])
    (row,) = state["running"]
    assert (row["novel"], row["defects"]) == (1, {"pits": 1})


def test_a_class_named_like_the_mark_of_novel_frames_is_a_class() -> None:
    history = new_history()
    add(history, Shown(0, label="pits", novelty=10.0))
    add(history, Shown(2, label="novel frame"))
    state = history.state()
    assert state["labels"] == {"novel frame": 1, NOVEL: 1}
    assert history.label_numbers() == {"novel frame": 0}
    found = history.coil(state["running"][0]["id"])
    assert found is not None
    assert sorted(found[1].labels) == [NOVEL, "novel frame"]


def test_a_long_strip_map_marks_novel_frames_next_to_defects() -> None:
    history = new_history()
    for number in (0, 1, 3):
        add(history, Shown(number, label="pits", novelty=10.0))
    add(history, Shown(2, label="pits"))
    found = history.coil(history.state()["running"][0]["id"])
    assert found is not None
    strip = found[1]
    marks = [(strip.labels[mark.label], mark.start, mark.end, mark.parts, mark.score) for mark in strip.marks]
    assert marks == [(NOVEL, 0, 400, 2, 2.5), ("pits", 450, 550, 1, 0.9), (NOVEL, 600, 800, 1, 2.5)]
