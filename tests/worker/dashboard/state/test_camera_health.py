"""Health of cameras: what workers say, how old it is, and what the page can tell without them."""

from typing import Any, get_args

import msgspec
import pytest

from stripwatch.worker.contracts.line.camera_state import ColourCounts, Condition, NewestFrame, NoveltyCounts
from stripwatch.worker.dashboard.state.camera_health import ADVICE, CameraHealth
from tests.worker.dashboard.scene.camera_states import state
from tests.worker.dashboard.scene.story import RUNNING

NOW_S = 1_800_000_000.0
NOW_MS = round(NOW_S * 1000)


def row(camera: str = "top-1", **changes: Any) -> dict[str, Any]:
    return {"camera": camera, "last_ms": NOW_MS - 500, "heard_ms": NOW_MS - 500, "rejecting": False} | changes


def health(known: CameraHealth, stopped: bool = False, now_ms: int = NOW_MS, **changes: Any) -> dict[str, Any]:
    lines = [{"line": RUNNING, "stopped": stopped, "cameras": [row(**changes)]}]
    (line,) = known.annotate(lines, now_ms)
    found: dict[str, Any] = line["cameras"][0]["health"]
    return found


def heard(*holding: tuple[Condition, int], heard_ms: int = NOW_MS, **changes: Any) -> CameraHealth:
    known = CameraHealth()
    assert known.add(msgspec.json.encode(state("top-1", NOW_S, holding, **changes)), heard_ms)
    return known


def test_a_camera_without_a_fault_is_ok_as_long_as_its_worker_repeats_it() -> None:
    known = heard()
    assert [health(known)[name] for name in ("word", "kind", "advice")] == ["ok", "good", "No known fault."]
    assert health(known, now_ms=NOW_MS + 30_000)["word"] == "ok"
    outdated = health(known, now_ms=NOW_MS + 30_001)
    assert (outdated["word"], outdated["kind"], outdated["since_ms"]) == ("unknown", "unknown", NOW_MS)


@pytest.mark.parametrize("condition", get_args(Condition))
def test_every_condition_has_a_word_a_colour_and_advice(condition: Condition) -> None:
    found = health(heard((condition, 60)))
    assert found["word"] == condition.replace("_", " ")
    warnings = ("low_contrast", "noisy", "blurred", "novel", "coloured", "misnamed", "drifting")
    assert found["kind"] == ("warn" if condition in warnings else "bad")
    assert found["advice"] == ADVICE[condition]
    assert found["since_ms"] == NOW_MS - 60_000


def test_the_most_serious_condition_comes_first_and_the_others_follow() -> None:
    found = health(heard(("frozen", 20), ("dark", 300)))
    assert (found["word"], found["more"], found["since_ms"]) == ("frozen", ["dark"], NOW_MS - 20_000)


def test_a_camera_whose_images_were_not_measured_is_not_ok() -> None:
    assert health(heard(statistics={}))["kind"] == "unknown"
    assert "blurred, drifting" in health(heard(unchecked=["blurred", "drifting"]))["advice"]


def test_a_silent_camera_of_a_stopped_line_is_not_a_fault() -> None:
    assert [health(heard(("silent", 60)), stopped)["kind"] for stopped in (False, True)] == ["bad", "unknown"]


@pytest.mark.parametrize(
    ("changes", "word", "kind"),
    [
        ({}, "not known", "unknown"),
        ({"heard_ms": NOW_MS - 31_000}, "silent", "bad"),
        ({"rejecting": True}, "rejecting", "bad"),
        ({"stopped": True, "last_ms": NOW_MS - 99_000}, "line stopped", "unknown"),
    ],
)
def test_without_a_state_the_page_says_what_it_sees_and_never_ok(changes: dict[str, Any], word: str, kind: str) -> None:
    found = health(CameraHealth(), **changes)
    assert (found["word"], found["kind"]) == (word, kind)


def test_a_late_state_of_the_previous_worker_does_not_replace_that_of_the_new_one() -> None:
    known = heard(("dark", 9), worker="new", frame=NewestFrame("2027-01-15T08:00:00Z", "frames", 0, 100))
    late = state("top-1", NOW_S, worker="old", frame=NewestFrame("2027-01-15T07:59:59Z", "frames", 0, 99))
    assert known.add(msgspec.json.encode(late), NOW_MS)
    assert health(known)["word"] == "dark"
    assert known.add(msgspec.json.encode(late), NOW_MS + 40_000), "the topic of frames was recreated"
    assert health(known, now_ms=NOW_MS + 40_000)["word"] == "ok"


def test_the_same_camera_id_on_another_line_is_another_camera() -> None:
    known = heard(("dark", 9), line="/plant/line-9")
    assert health(known)["word"] == "not known"


def test_a_camera_that_only_its_worker_knows_is_added_while_it_is_reported() -> None:
    known = heard(("silent", 900))
    lines = [{"line": RUNNING, "stopped": False, "cameras": [row("top-2")]}]
    (line,) = known.annotate(lines, NOW_MS)
    assert [(each["camera"], each["health"]["word"]) for each in line["cameras"]] == [
        ("top-2", "not known"),
        ("top-1", "silent"),
    ]
    (line,) = known.annotate([{"line": RUNNING, "stopped": False, "cameras": [row("top-2")]}], NOW_MS + 31_000)
    assert len(line["cameras"]) == 1


def test_values_that_are_not_states_are_refused_and_memory_is_bounded() -> None:
    known = CameraHealth()
    broken = msgspec.to_builtins(state("top-1", NOW_S)) | {"since": "yesterday"}
    for value in (None, b"", b"{}", b'"dark"', msgspec.json.encode(broken)):
        assert not known.add(value, NOW_MS)
    for number in range(1500):
        assert known.add(msgspec.json.encode(state(f"{number}" + "x" * 100_000, NOW_S)), NOW_MS)
    assert len(known._heard) == 512
    assert max(len(camera) for _, camera in known._heard) <= 200


def test_the_facts_compare_the_novel_frames_with_the_expected_share() -> None:
    facts = dict(health(heard(novelty=NoveltyCounts(600, 1500, 125, 0.01)))["facts"])
    assert facts["Novel in 600 s"] == "125 of 1,500 frames (1 % expected)"
    assert "Novel in 600 s" not in dict(health(heard(novelty=None))["facts"])


def test_the_facts_state_how_many_frames_have_colour() -> None:
    facts = dict(health(heard(colour=ColourCounts(20, 3, 57)))["facts"])
    assert facts["With colour"] == "3 of 20 checked frames, up to 57 of 255"
    assert dict(health(heard(colour=ColourCounts(4, 0, 0)))["facts"])["With colour"] == "0 of 4 checked frames"
    assert "With colour" not in dict(health(heard())["facts"])
