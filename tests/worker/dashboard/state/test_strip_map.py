from itertools import pairwise

from stripwatch.worker.coils.tracking.coil import CoilAggregate
from stripwatch.worker.dashboard.state.strip_map import strip_map
from tests.worker.coils.samples import defect, observation


def test_lanes_are_sorted_top_before_bottom_and_marks_refer_to_them() -> None:
    log = CoilAggregate(observation(0, 0, 200, camera="a"))
    log.add(observation(1, 0, 200, camera="b", defects=(defect(10, 20, (5, 9), camera="b"),)))
    found = strip_map(log, {"a": ("bottom", 256), "b": ("top", 128)}, {"scratches": 3})
    assert [(lane.camera, lane.side, lane.height_px) for lane in found.lanes] == [
        ("b", "top", 128),
        ("a", "bottom", 256),
    ]
    (mark,) = found.marks
    assert (mark.lane, mark.start, mark.end, mark.row_start, mark.row_end) == (0, 10, 20, 5, 9)
    assert (found.labels, found.label_numbers, found.strip) == (["scratches"], [3], (0, 200))


def test_strip_is_null_without_positions() -> None:
    assert strip_map(CoilAggregate(observation(0, None)), {}, {}).strip is None


def test_keeps_the_longest_gaps_wherever_they_are() -> None:
    """One gap of 12 m is followed by thousands of short ones."""
    log = CoilAggregate(observation(0, 0, 200))
    for number in range(1, 2000):
        start = number * 205 + (12_000 if number > 50 else 0)
        log.add(observation(number, start, start + 200))
    (lane,) = strip_map(log, {}, {}).lanes
    gaps = [(start, end) for (_, start), (end, _) in pairwise(lane.covered)]
    assert (len(gaps), lane.gaps_omitted) == (500, 1499)
    assert (10_450, 22_455) in gaps
    assert (lane.covered[0][0], lane.covered[-1][1]) == (0, 1999 * 205 + 12_200)


def test_expected_camera_without_frames_has_a_lane() -> None:
    log = CoilAggregate(observation(0, 0, 200, camera="a"))
    log.expected = ["a", "b"]
    assert [(lane.camera, lane.covered) for lane in strip_map(log, {}, {}).lanes] == [("a", [(0, 200)]), ("b", [])]


def test_lane_lists_the_shifts_of_encoder_resets() -> None:
    frames = [
        observation(number, start, start + 200) for number, start in enumerate([30_000, 30_200, 30_400, 0, 200, 400])
    ]
    log = CoilAggregate(frames[0])
    for one in frames[1:]:
        log.add(one)
    (lane,) = strip_map(log, {}, {}).lanes
    assert (lane.covered, lane.shifts) == ([(30_000, 31_200)], ((30_000, 0), (30_600, 30_600)))


def test_lane_states_what_its_frames_lack() -> None:
    """Without a reason, an inspected lane would look like one that nobody has read yet."""
    log = CoilAggregate(observation(0, 0, 200, camera="a"))
    log.add(observation(1, 50, camera="without a scale"))
    log.add(observation(2, 150, camera="without a scale"))
    log.add(observation(3, None, camera="without a position"))
    lanes = {lane.camera: lane for lane in strip_map(log, {}, {}).lanes}
    assert {name: lane.lacks for name, lane in lanes.items()} == {
        "a": None,
        "without a scale": "mm_per_px",
        "without a position": "position",
    }
    assert lanes["without a scale"].edges == (50, 150)
