"""Camera conditions and drift appear in metrics and log, and disappear with the camera."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Literal, get_args

import pytest
import structlog
from msgspec.structs import replace
from prometheus_client import CollectorRegistry, generate_latest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.config.observer_sections import DriftSettings
from stripwatch.worker.contracts.events import FrameFlag, ModelInfo
from stripwatch.worker.contracts.line.camera_state import Condition, NoveltyCounts
from stripwatch.worker.contracts.model.camera_limits import CameraLimit
from stripwatch.worker.contracts.positions import Partition
from stripwatch.worker.images.image_statistics import FrameStatistics
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.model.reference import ClassScores
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.observers.drift import CameraReport
from stripwatch.worker.observers.drift_monitor import DriftMonitor
from stripwatch.worker.observers.novel_frames import NovelFrames
from stripwatch.worker.observers.reject_rate import CameraRejects
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.outcomes import FrameOutcome, Prediction, RejectedFrame, Skipped
from tests.clock import ManualClock
from tests.frames import make_frame
from tests.models import make_model
from tests.tiny import TINY_REFERENCE
from tests.worker.observers.novelty_models import novelty_model

MINE = [Partition("frames", 0)]
SETTINGS = DriftSettings(measured_frames=5, scored_frames=5, silent_s=10, frozen_frames=5)
MODEL = make_model(reference=TINY_REFERENCE)
NOVELTY_MODEL = dataclasses.replace(novelty_model(), reference=TINY_REFERENCE)


@pytest.fixture
def logs() -> Iterator[list[EventDict]]:
    structlog.reset_defaults()
    with capture_logs() as entries:
        yield entries


class Watched:
    def __init__(self, cameras_max: int = 64, configured: tuple[str, ...] = ()) -> None:
        self.clock = ManualClock()
        self.metrics = Metrics(CollectorRegistry(), cameras_max)
        self.rejects = CameraRejects(60, 0.1, self.metrics.camera_label, self.clock.monotonic)
        self.reports: Mapping[str, CameraReport] = {}
        self.novel = NovelFrames(SETTINGS, self.metrics.camera_label, self.clock.monotonic)
        self.watch = DriftMonitor(
            SETTINGS, self.metrics, self.clock.monotonic, configured, self.rejects, self._keep_reports, self.novel
        )
        self._frames = 0

    def _keep_reports(self, reports: Mapping[str, CameraReport]) -> None:
        self.reports = reports

    def rejected(self) -> RejectedFrame:
        return RejectedFrame(make_frame(), MODEL, FrameRejected(RejectReason.UNTRAINED_SIZE, ""))

    def prediction(self, brightness: float = 127.5, camera: str = "top-1", model: LoadedModel = MODEL) -> Prediction:
        self._frames += 1
        frame = make_frame(self._frames, b"%d" % self._frames, camera=camera)
        statistics = FrameStatistics(brightness, 3.0, 0.013)
        return Prediction(frame, model, 1, 1, (0.9, 0.1), 0.0, 0.0, 0.0, statistics=statistics)

    def novel_prediction(self) -> Prediction:
        return dataclasses.replace(self.prediction(model=NOVELTY_MODEL), novelty=9.0)

    def saw(self, *outcomes: FrameOutcome) -> None:
        for outcome in outcomes:
            for observer in (self.watch, self.novel):
                observer.on_sent(outcome, EventBuilder({}).event(outcome, 0.0))

    def look(self, passed_s: float = 1.0) -> None:
        self.clock.now_s += passed_s
        self.watch.tick(True, MINE)

    def value(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"stripwatch_{name}", {"camera": "top-1"} | labels)


def test_logs_each_change_of_a_condition_once(logs: list[EventDict]) -> None:
    line = Watched()
    for brightness in (127.5, 5.0, 5.0, 127.5):
        line.saw(*(line.prediction(brightness) for _ in range(100)))
        line.look()
    line.look(10)
    assert [(entry["event"], entry["log_level"], entry["camera"]) for entry in logs] == [
        ("camera dark", "warning", "top-1"),
        ("camera no longer dark", "info", "top-1"),
        ("camera silent", "warning", "top-1"),
    ]


def test_reports_a_camera_that_the_settings_write_in_another_case(logs: list[EventDict]) -> None:
    line = Watched(configured=("TOP-1", "top-2"))
    for camera in ("top-1", "top-2", "top-3"):
        line.saw(*(line.prediction(camera=camera) for _ in range(5)))
    line.look()
    line.look()
    assert line.value("camera_condition", condition="misnamed") == 1
    assert line.value("camera_condition", condition="misnamed", camera="top-2") is None
    assert line.value("camera_condition", condition="misnamed", camera="top-3") is None
    assert [(entry["event"], entry["camera"], entry["configured"]) for entry in logs] == [
        ("camera misnamed", "top-1", "TOP-1")
    ]


def test_the_gauges_show_the_statistics() -> None:
    line = Watched()
    line.saw(*(line.prediction() for _ in range(5)))
    line.look()
    assert line.value("camera_condition", condition="dark") == 0
    assert line.value("frame_statistic", statistic="brightness") == pytest.approx(127.5)
    assert line.value("frame_drift", statistic="brightness") == pytest.approx(0)
    assert line.value("score_statistic", statistic="confidence") == pytest.approx(0.9)
    assert line.value("score_drift", statistic="classes") == 1  # no label of this model is in the reference


def test_the_log_and_the_gauges_state_the_limit_of_the_model(logs: list[EventDict]) -> None:
    limits = {"dark": CameraLimit("brightness", 90.0, False, "darker", "factor", 0.8, 0.6)}
    model = dataclasses.replace(MODEL, camera_limits=limits)
    line = Watched()
    line.saw(*(line.prediction(80.0, model=model) for _ in range(5)))
    line.look()
    assert line.value("camera_limit", condition="dark") == 90
    (entry,) = [each for each in logs if each["event"] == "camera dark"]
    assert entry["limit"] == "brightness 80, limit below 90: this model fails from darker 0.6 (factor)"


def test_a_silent_camera_keeps_its_condition_and_a_forgotten_one_has_none(logs: list[EventDict]) -> None:
    line = Watched()
    line.saw(*(line.prediction() for _ in range(5)))
    line.look(10)
    line.look(10)
    assert line.value("camera_condition", condition="silent") == 1
    assert line.value("camera_condition", condition="dark") is None
    assert line.value("frame_statistic", statistic="brightness") is None
    line.clock.now_s += 6
    line.watch.tick(True, [])
    assert b'camera="top-1"' not in generate_latest(line.metrics.registry)
    assert [entry["event"] for entry in logs] == ["camera silent"]


def test_evaluates_once_per_second() -> None:
    line = Watched()
    line.saw(*(line.prediction() for _ in range(5)))
    line.look(0.5)
    assert line.value("camera_condition", condition="silent") is None
    line.look(0.5)
    assert line.value("camera_condition", condition="silent") == 0


def test_rejects_and_skipped_frames_are_observed_too() -> None:
    line = Watched()
    error = FrameRejected(RejectReason.EMPTY, "nothing")
    line.look(9)
    line.saw(RejectedFrame(make_frame(0, b""), MODEL, error), Skipped(make_frame(1, b"late"), MODEL))
    line.look(9)
    assert line.value("camera_condition", condition="silent") == 0
    assert line.value("score_statistic", statistic="confidence") is None


def replay_of(prediction: Prediction) -> Prediction:
    return dataclasses.replace(prediction, frame=dataclasses.replace(prediction.frame, replay_of="a-reject"))


def test_a_replayed_frame_does_not_end_the_silence_of_a_camera(logs: list[EventDict]) -> None:
    line = Watched()
    line.saw(*(line.prediction() for _ in range(5)))
    for _ in range(20):
        line.saw(replay_of(line.prediction()))
        line.look()
    assert line.value("camera_condition", condition="silent") == 1
    assert [entry["event"] for entry in logs] == ["camera silent"]


def test_replayed_frames_are_not_in_the_statistics_of_a_camera() -> None:
    line = Watched()
    line.saw(*(line.prediction() for _ in range(5)))
    line.saw(*(replay_of(line.prediction(brightness=1.0)) for _ in range(50)))
    line.look()
    assert line.value("camera_condition", condition="dark") == 0
    assert line.value("frame_statistic", statistic="brightness") == pytest.approx(127.5)


def test_a_camera_known_only_from_a_replay_is_not_reported_as_silent() -> None:
    line = Watched()
    line.saw(replay_of(line.prediction(camera="taken-away")))
    line.look(60)
    assert line.value("camera_condition", condition="silent", camera="taken-away") is None


def test_cameras_beyond_the_label_limit_take_no_memory() -> None:
    line = Watched(cameras_max=2)
    line.saw(*(line.prediction(camera=f"camera-{number}") for number in range(100)))
    line.look()
    text = generate_latest(line.metrics.registry).decode()
    assert text.count('condition="silent"') == 2
    assert 'camera="other"' not in text


@pytest.mark.parametrize(("thresholds", "told"), [("bundle", True), ("settings", False)])
def test_custom_thresholds_make_the_unsure_share_incomparable(
    thresholds: Literal["bundle", "settings"], told: bool
) -> None:
    reference = replace(TINY_REFERENCE, classes={"clean": ClassScores(share=1, confidence=0.95, unsure=0)})
    model = make_model(info=ModelInfo("neu", "3", "f" * 64, thresholds), reference=reference)
    line = Watched()
    line.saw(*(line.prediction(model=model) for _ in range(5)))
    line.look()
    assert (line.value("score_drift", statistic="unsure") is not None) == told
    assert line.value("score_drift", statistic="confidence") == pytest.approx(-0.05)


def test_a_novel_frame_counts_as_unsure_but_not_as_its_class() -> None:
    reference = replace(TINY_REFERENCE, classes={"clean": ClassScores(share=1, confidence=0.9, unsure=0)})
    policy = dataclasses.replace(MODEL.policy, novelty_threshold=3.0)
    model, line = make_model(reference=reference, policy=policy), Watched()
    known = dataclasses.replace(line.prediction(model=model), novelty=1.0)
    novel = dataclasses.replace(known, scores=(0.2, 0.8), novelty=4.0)
    line.saw(known, novel, known, known, novel)
    line.look()
    assert line.value("score_statistic", statistic="unsure") == pytest.approx(0.4)
    assert line.value("score_statistic", statistic="confidence") == pytest.approx(0.9)
    assert line.value("score_drift", statistic="classes") == 0


def test_untrained_size_is_reported_until_fifty_other_frames_have_arrived(logs: list[EventDict]) -> None:
    line = Watched()
    usual, flagged = line.prediction(), dataclasses.replace(line.prediction(), flags=(FrameFlag.SIZE,))
    line.saw(usual)
    line.look()
    assert line.value("camera_condition", condition="untrained_size") == 0
    for untrained in (
        flagged,
        dataclasses.replace(flagged, flags=(FrameFlag.SCALE,)),
        line.rejected(),
    ):
        line.saw(untrained, *[usual] * 49)
        line.look()
        assert line.value("camera_condition", condition="untrained_size") == 1
        line.saw(usual)
        line.look()
        assert line.value("camera_condition", condition="untrained_size") == 0
    line.saw(dataclasses.replace(usual, flags=(FrameFlag.DAMAGED,)))
    line.look()
    assert line.value("camera_condition", condition="untrained_size") == 0
    assert [entry["event"] for entry in logs if "untrained" in entry["event"]] == [
        "camera untrained_size",
        "camera no longer untrained_size",
    ] * 3


def test_a_camera_whose_frames_are_rejected_is_reported_with_the_reasons(logs: list[EventDict]) -> None:
    line = Watched()
    rejected = RejectedFrame(make_frame(), MODEL, FrameRejected(RejectReason.EMPTY, "nothing"))
    for _ in range(5):
        line.rejects.on_delivered(EventBuilder({}).reject(rejected), rejected.frame)
    line.saw(rejected)
    line.look()
    assert line.value("camera_condition", condition="rejecting") == 1
    assert [(entry["event"], entry["rejects"]) for entry in logs] == [("camera rejecting", {"empty": 5})]
    line.look(61)
    assert line.reports["top-1"].conditions == {"silent": True}, "a silent camera rejects nothing"
    line.clock.now_s += 6
    line.watch.tick(True, [])
    assert line.reports == {}
    assert line.rejects.counts("top-1").frames == 0


def test_the_reports_that_are_passed_on_have_all_conditions() -> None:
    line = Watched(configured=("TOP-1",))
    line.saw(*(dataclasses.replace(line.novel_prediction(), colour=0) for _ in range(5)))
    line.look()
    need_limits = {"noisy", "low_contrast"}  # of the bundle
    assert set(line.reports["top-1"].conditions) == set(get_args(Condition)) - need_limits


def test_reports_a_camera_with_many_novel_frames(logs: list[EventDict]) -> None:
    line = Watched()
    line.saw(*(line.novel_prediction() for _ in range(9)))
    line.look()
    assert line.value("camera_condition", condition="novel") == 0
    line.saw(line.novel_prediction())
    line.look()
    assert line.value("camera_condition", condition="novel") == 1
    assert line.reports["top-1"].novelty == NoveltyCounts(600, 10, 10, 0.01)
    (entry,) = (each for each in logs if each["event"] == "camera novel")
    assert (entry["camera"], entry["novel"], entry["frames"], entry["expected_share"]) == ("top-1", 10, 10, 0.01)
    line.look(20)
    assert line.value("camera_condition", condition="novel") is None, "a silent camera shows nothing"
    assert line.reports["top-1"].novelty is None


def test_reports_a_camera_whose_frames_have_colour_that_the_model_does_not_see(logs: list[EventDict]) -> None:
    line = Watched()
    line.saw(*(dataclasses.replace(line.prediction(), colour=colour) for colour in (0, 57, 40, 7)))
    line.look()
    assert line.value("camera_condition", condition="coloured") == 0
    line.saw(line.prediction(), dataclasses.replace(line.prediction(), colour=9))
    line.look()
    assert line.value("camera_condition", condition="coloured") == 1
    (entry,) = (each for each in logs if each["event"] == "camera coloured")
    assert {name: entry[name] for name in ("camera", "checked", "coloured", "largest")} == {
        "camera": "top-1",
        "checked": 5,
        "coloured": 3,
        "largest": 57,
    }
    assert line.value("colour_checks_total", colour="coloured") == 3
    assert line.value("colour_checks_total", colour="grey") == 2


def test_a_camera_whose_colour_is_not_checked_has_no_such_condition() -> None:
    line = Watched()
    line.saw(line.prediction())
    line.look()
    assert line.value("camera_condition", condition="coloured") is None
    assert line.reports["top-1"].colour is None
