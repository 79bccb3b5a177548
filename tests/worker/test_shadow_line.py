"""The shadow's own settings, and a broker that it cannot reach."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from kafka.errors import KafkaTimeoutError
from kafka.future import Future
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from tests.frames import make_frame
from tests.models import make_model
from worker.errors import BrokerLost
from worker.event import EventMaker
from worker.metrics import Metrics
from worker.outcome import Skipped
from worker.settings import load_settings
from worker.shadow_line import ShadowTopic, shadow_settings


def test_it_runs_its_own_bundle_small_and_with_its_own_thresholds() -> None:
    settings = load_settings(None, {"bundle": "a", "shadow": "b", "thresholds": {"pits": {"sure": 0.9}}})
    own = shadow_settings(settings)
    assert (own.bundle, own.inference_threads, own.batch_frames_max, own.thresholds) == (Path("b"), 1, 1, {})
    assert (settings.bundle, own.topics) == (Path("a"), settings.topics)


def published(open_producer: Callable[[], Any], frames: int) -> tuple[float | None, list[Any]]:
    """How many were not published, and the pauses that were logged."""
    metrics = Metrics(CollectorRegistry())
    topic, frame = ShadowTopic(open_producer, "inspection.shadow", metrics), make_frame()
    event = EventMaker({}).skipped(Skipped(frame, make_model()), 0.0)
    with capture_logs() as logs:
        for _ in range(frames):
            topic.publish(event, frame)
    return metrics.registry.get_sample_value("stripwatch_shadow_unpublished_total"), [log["pause_s"] for log in logs]


def test_a_broker_that_is_away_is_asked_once_and_logged_once() -> None:
    asked = []

    def away() -> None:
        asked.append(1)
        raise BrokerLost("no broker answers")

    assert published(away, 5) == (5, [float("inf")])
    assert len(asked) == 1


def test_a_topic_that_takes_nothing_is_left_alone_for_a_while() -> None:
    class Refuses:
        def send(self, *_: Any, **__: Any) -> Future:
            return Future().failure(KafkaTimeoutError("too late"))

    class Blocks:
        def send(self, *_: Any, **__: Any) -> Future:
            raise KafkaTimeoutError("no such topic")

    assert published(Refuses, 5) == (5, [30.0])
    assert published(Blocks, 5) == (5, [30.0])
