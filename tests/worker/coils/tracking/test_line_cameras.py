from stripwatch.worker.coils.tracking.line_cameras import REMEMBERED_COILS, LineCameras, configured_cameras
from stripwatch.worker.config.plant_sections import Camera


def test_cameras_that_saw_earlier_coils_are_expected() -> None:
    cameras = LineCameras({})
    assert list(cameras.expected("/l", "C1")) == []
    cameras.saw("/l", "C1", ["a", "b"])
    cameras.saw("/l", "C2", ["b", "c"])
    cameras.saw(None, "C1", ["x"])
    assert sorted(cameras.expected("/l", "C3")) == ["a", "b", "c"]
    assert (list(cameras.expected(None, "C2")), list(cameras.expected("/other", "C1"))) == (["x"], [])


def test_later_part_of_a_coil_expects_only_cameras_that_have_not_seen_it() -> None:
    cameras = LineCameras({"/m": ["a", "b", "c"]})
    for line in ("/l", "/m"):
        cameras.saw(line, "C1", ["a", "b", "c"])
        cameras.saw(line, "C2", ["a", "b"])
        assert list(cameras.expected(line, "C2")) == ["c"]
        cameras.saw(line, "C2", ["b"])
        assert list(cameras.expected(line, "C2")) == ["c"]
        assert sorted(cameras.expected(line, "C3")) == ["a", "b", "c"]


def test_each_part_without_a_coil_expects_all_cameras() -> None:
    cameras = LineCameras({})
    cameras.saw("/l", None, ["a", "b"])
    assert sorted(cameras.expected("/l", None)) == ["a", "b"]


def test_removed_camera_is_forgotten_eventually() -> None:
    cameras = LineCameras({})
    cameras.saw("/l", "C0", ["a", "b"])
    for number in range(1, REMEMBERED_COILS):
        cameras.saw("/l", f"C{number}", ["b"])
    assert sorted(cameras.expected("/l", "next")) == ["a", "b"]
    cameras.saw("/l", "next", ["b"])
    assert list(cameras.expected("/l", "the one after it")) == ["b"]


def test_settings_take_precedence_for_their_lines() -> None:
    settings = {"a": Camera(line="/l"), "b": Camera(line="/l"), "c": Camera(), "d": Camera(line="/m")}
    cameras = LineCameras(configured_cameras(settings))
    cameras.saw("/l", "C1", ["old"])
    assert [list(cameras.expected(line, "C2")) for line in ("/l", "/m", "/n")] == [["a", "b"], ["d"], []]


def test_memory_for_names_is_bounded() -> None:
    cameras = LineCameras({})
    for number in range(2_000):
        cameras.saw(f"/l{number}", "C1", [f"c{camera}" for camera in range(300)])
    assert list(cameras.expected("/l0", "C2")) == []
    assert len(cameras.expected("/l1999", "C2")) == 256
