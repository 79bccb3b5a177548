"""Decayed means, distances from the reference, and camera conditions, with a simulated clock."""

from collections.abc import Collection

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from stripwatch.worker.config.observer_sections import DriftSettings
from stripwatch.worker.contracts.line.camera_state import ColourCounts, Condition
from stripwatch.worker.contracts.positions import Partition
from stripwatch.worker.images.image_statistics import FrameStatistics
from stripwatch.worker.model.reference import Spread
from stripwatch.worker.observers.drift import Baseline, CameraReport, DecayedSums, Drift, distances
from stripwatch.worker.observers.score_drift import ScoredAnswer
from tests.tiny import TINY_REFERENCE

MINE, OTHERS = Partition("frames", 0), Partition("frames", 1)
SETTINGS = DriftSettings(measured_frames=10, scored_frames=10, silent_s=30, frozen_frames=3)
USUAL = FrameStatistics(brightness=127.5, contrast=3.0, sharpness=0.013)
WITH, WITHOUT = Baseline("1", TINY_REFERENCE), Baseline("1", None)
VALUES = st.floats(-1e6, 1e6)


class Line:
    """One camera and one worker."""

    def __init__(self, baseline: Baseline = WITH, settings: DriftSettings = SETTINGS) -> None:
        self.drift = Drift(settings)
        self.baseline = baseline
        self._number = 0

    def sees(self, statistics: FrameStatistics = USUAL, frames: int = 1, answer: ScoredAnswer | None = None) -> None:
        for _ in range(frames):
            self._number += 1
            self.drift.observe("top-1", MINE, self.baseline, b"%d" % self._number, statistics, answer)

    def checks_colour(self, colour: int) -> None:
        self._number += 1
        self.drift.observe("top-1", MINE, self.baseline, b"%d" % self._number, USUAL, colour=colour)

    def look(
        self, passed_s: float = 0, reading: bool = True, held: Collection[Partition] = (MINE,)
    ) -> CameraReport | None:
        return self.drift.evaluate(passed_s, reading, held).get("top-1")

    def report(self, passed_s: float = 0) -> CameraReport:
        report = self.look(passed_s)
        assert report is not None
        return report


@given(st.integers(1, 50), st.lists(VALUES, min_size=1, max_size=200))
def test_a_decayed_mean_lies_between_the_values_and_within_its_window(frames_max: int, values: list[float]) -> None:
    sums: DecayedSums[str] = DecayedSums(frames_max)
    for value in values:
        sums.add({"x": value})
    assert sums.frames <= frames_max + 1
    for mean in sums.means().values():
        assert min(values) <= mean + 1e-6
        assert mean - 1e-6 <= max(values)


@given(st.integers(2, 50), st.lists(VALUES, max_size=200), VALUES)
def test_old_values_decay_until_only_new_ones_count(frames_max: int, past: list[float], now: float) -> None:
    sums: DecayedSums[str] = DecayedSums(frames_max)
    for value in [*past, *[now] * frames_max * 40]:
        sums.add({"x": value})
    assert sums.means()["x"] == pytest.approx(now, abs=1e-3)


@given(st.integers(1, 50), st.lists(st.sampled_from("abc"), min_size=50, max_size=200))
def test_label_shares_sum_up_to_one(frames_max: int, labels: list[str]) -> None:
    sums: DecayedSums[str] = DecayedSums(frames_max)
    for label in labels:
        sums.add({label: 1.0})
    assert sum(sums.means().values()) == pytest.approx(1)


def test_reports_no_statistics_for_the_first_few_frames() -> None:
    line = Line(settings=DriftSettings(measured_frames=50, scored_frames=50))
    line.sees(frames=4, answer=ScoredAnswer("grey", 0.9, False))
    report = line.report()
    assert report.conditions == {"silent": False, "frozen": False, "untrained_size": False}
    assert (report.statistics, report.scores) == ({}, {})
    line.sees(answer=ScoredAnswer("grey", 0.9, False))
    assert line.report().statistics == pytest.approx({"brightness": 127.5, "contrast": 3.0, "sharpness": 0.013})
    assert line.report().scores == pytest.approx({"confidence": 0.9, "unsure": 0.0})


def test_usual_frames_have_no_condition_and_no_distance() -> None:
    line = Line()
    line.sees(frames=20)
    conditions = ("silent", "frozen", "untrained_size", "dark", "bright", "blurred", "drifting")
    assert line.report().conditions == dict.fromkeys(conditions, False)
    assert line.report().distances == pytest.approx({"brightness": 0, "contrast": 0, "sharpness": 0}, abs=1e-9)


def test_a_dark_camera_is_not_also_blurred() -> None:
    line = Line()
    line.sees(frames=20)
    line.sees(FrameStatistics(20, 0.5, 0.0), frames=100)
    conditions = line.report().conditions
    assert (conditions["dark"], conditions["blurred"]) == (True, False)
    line.sees(frames=100)
    assert not line.report().conditions["dark"]


def test_detects_a_blurred_camera() -> None:
    line = Line()
    line.sees(FrameStatistics(127.5, 2.0, 0.004), frames=20)
    conditions = line.report().conditions
    assert (conditions["dark"], conditions["blurred"]) == (False, True)


def test_without_a_reference_darkness_is_absolute_and_blur_and_distances_are_omitted() -> None:
    line = Line(WITHOUT)
    line.sees(FrameStatistics(12, 0.5, 0.0), frames=20, answer=ScoredAnswer("grey", 0.9, False))
    report = line.report()
    assert report.conditions == dict.fromkeys(("silent", "frozen", "dark", "bright", "untrained_size"), False)
    assert (report.distances, report.score_drift) == ({}, {})
    assert report.statistics["brightness"] == pytest.approx(12)
    line.sees(FrameStatistics(5, 0.5, 0.0), frames=100)
    assert line.report().conditions["dark"]


def test_without_a_reference_overexposure_is_absolute() -> None:
    line = Line(WITHOUT)
    line.sees(FrameStatistics(244, 0.5, 0.0), frames=20)
    assert not line.report().conditions["bright"]
    line.sees(FrameStatistics(250, 0.5, 0.0), frames=100)
    assert line.report().conditions["bright"]


def test_an_overexposed_camera_is_neither_blurred_nor_drifting() -> None:
    line = Line()
    line.sees(FrameStatistics(230, 0.5, 0.0), frames=20)
    conditions = line.report().conditions
    assert [name for name, holds in conditions.items() if holds] == ["bright"]


@given(st.floats(0, 255), st.floats(0, 255), st.floats(0, 1))
def test_a_negative_of_a_bright_image_is_a_dark_one(brightness: float, usual: float, ratio: float) -> None:
    """The limit for bright images mirrors the one for dark images, so that neither exceeds the range of grey values."""

    def conditions(image: float, reference: float) -> dict[Condition, bool]:
        baseline = Baseline("1", replace(TINY_REFERENCE, brightness=Spread(reference, 5.0)))
        line = Line(baseline, DriftSettings(measured_frames=1, dark_ratio=ratio, bright_ratio=ratio))
        line.sees(FrameStatistics(image, 3.0, 0.013))
        return dict(line.report().conditions)

    assume(abs(brightness - (255 - ratio * (255 - usual))) > 1e-6)
    assert conditions(brightness, usual)["bright"] == conditions(255 - brightness, 255 - usual)["dark"]


@pytest.mark.parametrize(("contrast", "drifting"), [(4.4, False), (4.6, True), (1.4, True)])
def test_a_camera_drifts_beyond_the_permitted_distance_in_either_direction(contrast: float, drifting: bool) -> None:
    line = Line()
    line.sees(FrameStatistics(127.5, contrast, 0.013), frames=20)
    assert line.report().conditions["drifting"] == drifting


@pytest.mark.parametrize("baseline", [WITH, WITHOUT])
def test_a_camera_is_frozen_until_another_frame_arrives(baseline: Baseline) -> None:
    line = Line(baseline)
    for frames, frozen in ((2, False), (1, True), (1, True)):
        for _ in range(frames):
            line.drift.observe("top-1", MINE, baseline, b"the same")
        assert line.report().conditions["frozen"] == frozen
    line.drift.observe("top-1", MINE, baseline, None)  # a reject says nothing about it
    assert line.report().conditions["frozen"]
    line.sees()
    assert not line.report().conditions["frozen"]


def test_files_of_equal_length_with_different_ends_differ() -> None:
    line = Line()
    for number in range(20):
        line.drift.observe("top-1", MINE, WITH, b"\xff\xd8\xff" + bytes(5000) + b"%05d" % number)
    assert not line.report().conditions["frozen"]


@pytest.mark.parametrize(("head", "raw"), [(b"BM", False), (b"II*\0", False), (b"", True), (b"\xff\xd8\xff", True)])
def test_raw_buffers_differ_although_the_strip_ends_above_the_last_row(head: bytes, raw: bool) -> None:
    line = Line()
    strip = np.random.default_rng(0).integers(0, 256, (5, 200, 1000), np.uint8)
    strip[:, 150:] = 0
    for frame in strip:
        line.drift.observe("top-1", MINE, WITH, head + frame.tobytes(), raw=raw)
    assert not line.report().conditions["frozen"]
    for _ in range(5):
        line.drift.observe("top-1", MINE, WITH, head + strip[0].tobytes(), raw=raw)
    assert line.report().conditions["frozen"]


def test_tall_raw_buffers_differ_although_their_first_columns_show_the_black_next_to_the_strip() -> None:
    """With 8192 rows, a regular step for 1024 positions behind the header is exactly 7 rows, so it would sample one
    column.
    """
    line = Line()
    rng = np.random.default_rng(0)
    for _ in range(3):
        frame = rng.integers(0, 256, (8192, 64), np.uint8)
        frame[:, :8] = 0
        line.drift.observe("top-1", MINE, WITH, frame.tobytes(), raw=True)
    assert not line.report().conditions["frozen"]


def test_a_silent_camera_has_no_other_condition_until_it_returns() -> None:
    line = Line()
    line.sees(FrameStatistics(5, 0, 0), frames=20)
    assert not line.report(29.9).conditions["silent"]
    assert line.report(0.1) == CameraReport({"silent": True})
    line.sees()
    assert not line.report(1).conditions["silent"]


def test_a_worker_that_reads_nothing_reports_no_camera_as_silent() -> None:
    line = Line()
    line.sees()
    line.look(29, reading=True)
    for _ in range(100):
        line.look(10, reading=False, held=())
    assert not line.report(0.5).conditions["silent"]
    assert line.report(0.5).conditions["silent"]


def test_a_camera_of_another_workers_partition_is_never_silent_and_soon_forgotten() -> None:
    line = Line()
    line.sees()
    line.look(29)
    report = line.look(4, held=[OTHERS])
    assert report is not None
    assert not report.conditions["silent"]
    assert line.look(2, held=[OTHERS]) is None


def test_a_partition_reassigned_at_once_keeps_its_cameras() -> None:
    line = Line()
    line.sees(frames=20)
    for held in ([], [MINE], [], [MINE], []):
        assert line.look(3, held=held) is not None
    assert line.report().statistics


def test_a_camera_that_moves_to_another_partition_is_kept() -> None:
    line = Line()
    line.sees()
    line.drift.observe("top-1", OTHERS, WITH, b"elsewhere")
    assert line.look(20, held=[OTHERS]) is not None


def test_another_model_restarts_the_means_but_not_the_silence() -> None:
    line = Line()
    line.sees(FrameStatistics(5, 0, 0), frames=20, answer=ScoredAnswer("grey", 0.9, False))
    line.baseline = Baseline("2", TINY_REFERENCE)
    line.sees(frames=1)
    assert line.report().statistics["brightness"] == pytest.approx(127.5)
    assert line.report().scores == {}


def test_identical_reference_frames_give_finite_distances() -> None:
    alike = replace(TINY_REFERENCE, brightness=Spread(100, 0), sharpness=Spread(0, 0))
    found = distances({"brightness": 101, "sharpness": 0.5}, alike)
    assert found == {"brightness": pytest.approx(1)}


def test_novel_frames_count_as_unsure_but_not_in_confidence_and_classes() -> None:
    line = Line()
    line.sees(frames=6, answer=ScoredAnswer("grey", 0.9, False))
    line.sees(frames=4, answer=ScoredAnswer("bright", 0.99, True, novel=True))
    report = line.report()
    assert report.scores == pytest.approx({"confidence": 0.9, "unsure": 0.4})
    assert report.score_drift == pytest.approx({"classes": 0.1, "confidence": -0.05, "unsure": 0.38})


def test_a_camera_that_shows_only_novel_frames_has_no_confidence() -> None:
    line = Line()
    line.sees(frames=10, answer=ScoredAnswer("grey", 0.9, True, novel=True))
    report = line.report()
    assert report.scores == {"unsure": 1}
    assert report.score_drift == pytest.approx({"unsure": 0.98})


@pytest.mark.parametrize(("coloured", "holds"), [(0, False), (2, False), (3, True), (20, True)])
def test_a_camera_is_coloured_if_three_of_its_newest_checked_frames_are(coloured: int, holds: bool) -> None:
    line = Line()
    line.sees()
    assert "coloured" not in line.report().conditions, "no frame was checked"
    for number in range(30):
        line.checks_colour(60 if number < 10 + coloured and number >= 10 else 3)
    report = line.report()
    assert report.conditions["coloured"] is holds
    assert report.colour == ColourCounts(20, coloured, 60 if coloured else 3)


def test_colour_below_the_limit_does_not_count_and_old_colour_is_forgotten() -> None:
    line = Line()
    for _ in range(20):
        line.checks_colour(7)
    assert line.report().conditions["coloured"] is False
    for _ in range(20):
        line.checks_colour(8)
    assert line.report().conditions["coloured"] is True
    for _ in range(18):
        line.checks_colour(0)
    assert line.report().conditions["coloured"] is False


def test_another_model_starts_the_check_of_colour_again_and_a_silent_camera_has_none() -> None:
    line = Line()
    for _ in range(5):
        line.checks_colour(90)
    line.baseline = Baseline("2", TINY_REFERENCE)
    line.sees()
    assert "coloured" not in line.report().conditions
    line.checks_colour(90)
    assert line.report(31).colour is None
