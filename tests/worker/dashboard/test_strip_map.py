from stripwatch.worker.coils.coil import CoilAggregate
from stripwatch.worker.dashboard.strip_map import strip_map
from tests.worker.coils.test_coil import observation
from tests.worker.coils.test_strip_defects import defect


def test_lanes_are_top_then_bottom_and_marks_name_theirs() -> None:
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


def test_without_positions_there_is_no_strip() -> None:
    assert strip_map(CoilAggregate(observation(0, None)), {}, {}).strip is None
