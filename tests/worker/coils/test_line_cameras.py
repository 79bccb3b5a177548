from stripwatch.worker.coils.line_cameras import REMEMBERED_COILS, LineCameras, configured_cameras
from stripwatch.worker.config.sections import Camera


def test_those_that_saw_the_coils_before_are_expected() -> None:
    cameras = LineCameras({})
    assert list(cameras.expected("/l")) == []
    cameras.saw("/l", ["a", "b"])
    cameras.saw("/l", ["b", "c"])
    cameras.saw(None, ["x"])
    assert sorted(cameras.expected("/l")) == ["a", "b", "c"]
    assert (list(cameras.expected(None)), list(cameras.expected("/other"))) == (["x"], [])


def test_a_camera_that_was_taken_away_is_forgotten_in_the_end() -> None:
    cameras = LineCameras({})
    cameras.saw("/l", ["a", "b"])
    for _ in range(REMEMBERED_COILS - 1):
        cameras.saw("/l", ["b"])
    assert sorted(cameras.expected("/l")) == ["a", "b"]
    cameras.saw("/l", ["b"])
    assert list(cameras.expected("/l")) == ["b"]


def test_the_settings_decide_where_they_name_the_line() -> None:
    settings = {"a": Camera(line="/l"), "b": Camera(line="/l"), "c": Camera(), "d": Camera(line="/m")}
    cameras = LineCameras(configured_cameras(settings))
    cameras.saw("/l", ["old"])
    assert (cameras.expected("/l"), cameras.expected("/m"), list(cameras.expected("/n"))) == (["a", "b"], ["d"], [])


def test_names_from_outside_take_no_memory_without_end() -> None:
    cameras = LineCameras({})
    for number in range(2_000):
        cameras.saw(f"/l{number}", [f"c{camera}" for camera in range(300)])
    assert list(cameras.expected("/l0")) == []
    assert len(cameras.expected("/l1999")) == 256
