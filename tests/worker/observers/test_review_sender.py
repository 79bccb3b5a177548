"""Review frames: unsure frames within a quota per label and camera."""

from typing import Any

from kafka.errors import KafkaTimeoutError
from kafka.future import Future
from prometheus_client import CollectorRegistry

from stripwatch.worker.config.sections import ReviewSettings
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.model.bundle import Threshold
from stripwatch.worker.model.verdict import DecisionPolicy
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.observers.best_effort_producer import BestEffortProducer
from stripwatch.worker.observers.review_sender import ReviewSender
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.outcomes import Prediction, Skipped
from tests.frames import make_frame
from tests.models import make_model
from tests.tiny import encode_frame

EVENTS = EventBuilder({})
MODEL = make_model(policy=DecisionPolicy(("clean", "pits"), "clean", True, (Threshold(0.8, 0.2),) * 2, False))
IMAGE = encode_frame(0.5)


class Answering:
    """A producer that responds to each record in the same way."""

    def __init__(self, answer: Future) -> None:
        self.records: list[dict[str, Any]] = []
        self._answer = answer

    def send(self, topic: str, body: bytes, **record: Any) -> Future:
        self.records.append({"topic": topic, "body": body, **record})
        return self._answer


class Made:
    def __init__(self, answer: Future | None = None, per_hour: float = 1000) -> None:
        self.producer = Answering(answer or Future().success(None))
        self.metrics = Metrics(CollectorRegistry())
        count = self.metrics.review_frames.labels
        topic = BestEffortProducer(lambda: self.producer, count("failed").inc, count("sent").inc)
        self.review = ReviewSender(
            ReviewSettings(per_hour_max=per_hour), "inspection.review", topic, self.metrics, lambda: 0.0
        )

    def offer(self, frame: Frame, scores: tuple[float, float] = (0.4, 0.6)) -> None:
        self.review.on_delivered(EVENTS.result(Prediction(frame, MODEL, 1, 1, scores, 0.0, 0.0, 0.0), 0.0), frame)

    def finish(self) -> dict[str, float]:
        self.review.start()
        self.review.close(60)
        read = self.metrics.registry.get_sample_value
        outcomes = ("sent", "over_quota", "dropped", "failed")
        found = {name: read("stripwatch_review_frames_total", {"outcome": name}) for name in outcomes}
        return {name: value for name, value in found.items() if value}


def test_sends_an_unsure_frame_unmodified_with_its_prediction() -> None:
    made, frame = Made(), make_frame(5, IMAGE, headers=(("ce_id", b"7"),))
    made.offer(frame)
    assert made.finish() == {"sent": 1}
    (record,) = made.producer.records
    headers = dict(record["headers"])
    assert (record["topic"], record["key"], record["body"]) == ("inspection.review", b"top-1", IMAGE)
    assert (headers["stripwatch_event_id"], headers["stripwatch_label"]) == (frame.id.encode(), b"pits")
    assert (headers["stripwatch_offset"], headers["original.ce_id"]) == (b"5", b"7")


def test_does_not_send_sure_or_uninspected_frames() -> None:
    made, frame = Made(), make_frame(0, IMAGE)
    for scores in ((0.95, 0.05), (0.1, 0.9)):
        made.offer(frame, scores)
    made.review.on_delivered(EVENTS.skipped(Skipped(frame, MODEL), 0.0), frame)
    assert made.finish() == {}


def test_the_quota_is_per_label_and_camera() -> None:
    made = Made(per_hour=2)
    for camera in ("top-1", "top-2"):
        for scores in ((0.4, 0.6), (0.6, 0.4)):
            for number in range(3):
                made.offer(make_frame(number, IMAGE, camera=camera), scores)
    assert made.finish() == {"sent": 8, "over_quota": 4}


def test_a_refusing_topic_is_tolerated() -> None:
    made = Made(Future().failure(KafkaTimeoutError("too late")))
    for number in range(3):
        made.offer(make_frame(number, IMAGE))
    assert made.finish() == {"failed": 3}
    made.offer(make_frame(3, IMAGE))
    assert made.metrics.registry.get_sample_value("stripwatch_review_frames_total", {"outcome": "dropped"}) == 1
