"""Metrics: names, bounded labels, gauges that read a value."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from stripwatch.worker.common.errors import RejectReason
from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.monitoring.metric_groups.metric_group import BoundedLabels
from stripwatch.worker.monitoring.metrics import Metrics
from tests.worker.observers.novelty_models import SPEC, novelty_model


def test_bounds_the_number_of_label_values() -> None:
    labels = BoundedLabels(2)
    assert [labels.label(name) for name in ("a", "b", "c", "a", "d")] == ["a", "b", "other", "a", "other"]


def test_every_metric_has_the_prefix_and_a_help_text_and_no_coil_label() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.frames.labels("top-1").inc()
    text = generate_latest(metrics.registry).decode()
    families = [line.split(" ", 3) for line in text.splitlines() if line.startswith("# HELP")]
    assert len(families) > 15
    assert all(name.startswith("stripwatch_") and help_text for _, _, name, help_text in families)
    assert "coil" not in text
    assert 'stripwatch_frames_total{camera="top-1"} 1.0' in text


def test_a_replayed_frame_does_not_count_for_its_camera() -> None:
    metrics = Metrics(CollectorRegistry(), 1)
    metrics.count_frame("top-9", is_replay=True)
    metrics.count_frame("top-1", is_replay=False)
    value = metrics.registry.get_sample_value
    assert [value("stripwatch_frames_total", {"camera": camera}) for camera in ("replayed", "top-1")] == [1, 1]
    assert value("stripwatch_frames_total", {"camera": "top-9"}) is None


@pytest.mark.parametrize(
    ("provider", "device_id", "label"), [("CPUExecutionProvider", None, ""), ("CUDAExecutionProvider", 1, "1")]
)
def test_device_info_is_one_series(provider: str, device_id: int | None, label: str) -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.show_device("CUDAExecutionProvider", 0)
    metrics.show_device(provider, device_id)
    ((sample,),) = [family.samples for family in metrics.device_info.collect()]
    assert (sample.name, sample.labels) == (
        "stripwatch_device_info",
        {"provider": provider, "device_id": label},
    )


def test_a_watched_gauge_is_read_at_each_scrape() -> None:
    metrics = Metrics(CollectorRegistry())
    depth = [3.0]
    metrics.watch(metrics.queue_frames, lambda: depth[0], queue="decode")
    assert metrics.registry.get_sample_value("stripwatch_queue_frames", {"queue": "decode"}) == 3
    depth[0] = 5
    assert metrics.registry.get_sample_value("stripwatch_queue_frames", {"queue": "decode"}) == 5


def test_verdicts_start_at_zero() -> None:
    registry = Metrics(CollectorRegistry()).registry
    assert registry.get_sample_value("stripwatch_results_total", {"verdict": "defect"}) == 0


def test_the_reject_reasons_of_a_camera_start_at_zero_with_its_first_frame() -> None:
    metrics = Metrics(CollectorRegistry(), 1)
    for camera in ("top-1", "top-2", "top-3"):
        metrics.count_frame(camera, is_replay=False)
    (family,) = metrics.rejects.collect()
    totals = [sample for sample in family.samples if sample.name.endswith("_total")]
    assert {sample.labels["camera"] for sample in totals} == {"top-1", "other"}
    assert [sample.value for sample in totals] == [0] * 2 * len(RejectReason)


def test_the_flags_of_a_camera_start_at_zero_with_its_first_frame() -> None:
    metrics = Metrics(CollectorRegistry(), 1)
    for camera in ("top-1", "top-2", "top-3"):
        metrics.count_frame(camera, is_replay=False)
    metrics.count_frame("top-1", is_replay=True)
    cameras = ("top-1", "other", "top-2", "replayed")
    samples = [[_flagged(metrics, camera, flag) for flag in FrameFlag] for camera in cameras]
    assert samples == [[0] * len(FrameFlag)] * 2 + [[None] * len(FrameFlag)] * 2


def _flagged(metrics: Metrics, camera: str, flag: FrameFlag) -> float | None:
    return metrics.registry.get_sample_value("stripwatch_flagged_frames_total", {"camera": camera, "flag": flag.value})


def test_the_expected_share_of_novel_frames_is_that_of_the_running_bundle() -> None:
    metrics = Metrics(CollectorRegistry())
    read = metrics.registry.get_sample_value
    with_novelty, without = (novelty_model(spec).session.bundle for spec in (SPEC, None))
    metrics.show_bundle(with_novelty, "CPUExecutionProvider")
    assert read("stripwatch_novelty_expected_ratio", {"sha256": with_novelty.sha256}) == 0.01
    metrics.show_bundle(without, "CPUExecutionProvider")
    assert [each.samples for each in metrics.novelty_expected.collect()] == [[]]


def test_unsure_frames_of_a_camera_start_at_zero() -> None:
    metrics = Metrics(CollectorRegistry())
    metrics.count_frame("top-1", is_replay=False)
    read = metrics.registry.get_sample_value
    for reason in ("flag", "novel", "score"):
        assert read("stripwatch_unsure_frames_total", {"camera": "top-1", "reason": reason}) == 0
    assert read("stripwatch_novelty_frames_total", {"camera": "top-1"}) == 0
    for outcome in ("admitted", "over_quota"):
        assert read("stripwatch_review_quota_frames_total", {"quota": "novel", "outcome": outcome}) == 0
