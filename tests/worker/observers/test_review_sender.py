"""Review frames: unsure frames within a quota per label and camera."""

from dataclasses import replace
from typing import Any

from kafka.errors import KafkaTimeoutError
from kafka.future import Future
from msgspec.structs import replace as struct_replace
from prometheus_client import CollectorRegistry

from stripwatch.worker.config.observer_sections import ReviewSettings
from stripwatch.worker.contracts.events import Box, Candidate, Defect
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.model.bundle import Threshold
from stripwatch.worker.model.loaded_model import LoadedModel
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
WITH_NOVELTY = make_model(
    policy=replace(MODEL.policy, novelty_threshold=4.25), info=struct_replace(MODEL.info, novelty_threshold=4.25)
)
ANOMALY = make_model(policy=MODEL.policy, info=struct_replace(MODEL.info, task="anomaly"))


class Answering:
    """A producer that responds to each record in the same way."""

    def __init__(self, answer: Future) -> None:
        self.records: list[dict[str, Any]] = []
        self._answer = answer

    def send(self, topic: str, body: bytes, **record: Any) -> Future:
        self.records.append({"topic": topic, "body": body, **record})
        return self._answer


class Made:
    def __init__(self, answer: Future | None = None, per_hour: float = 1000, novel_per_hour: float = 1000) -> None:
        self.producer = Answering(answer or Future().success(None))
        self.metrics = Metrics(CollectorRegistry())
        count = self.metrics.review_frames.labels
        topic = BestEffortProducer(lambda: self.producer, count("failed").inc, count("sent").inc)
        settings = ReviewSettings(per_hour_max=per_hour, novel_per_hour_max=novel_per_hour)
        self.review = ReviewSender(settings, "inspection.review", topic, self.metrics, lambda: 0.0)

    def offer(
        self,
        frame: Frame,
        scores: tuple[float, float] = (0.4, 0.6),
        novelty: float | None = None,
        model: LoadedModel = MODEL,
    ) -> None:
        prediction = Prediction(frame, model, 1, 1, scores, 0.0, 0.0, 0.0, novelty=novelty)
        self.review.on_delivered(EVENTS.result(prediction, 0.0), frame)

    def quota(self, name: str) -> tuple[float | None, ...]:
        read = self.metrics.registry.get_sample_value
        return tuple(
            read("stripwatch_review_quota_frames_total", {"quota": name, "outcome": outcome})
            for outcome in ("admitted", "over_quota")
        )

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


def test_a_novel_frame_is_sent_with_its_reason_score_and_threshold_even_if_a_class_is_certain() -> None:
    made = Made()
    made.offer(make_frame(1, IMAGE), (0.02, 0.98), 9.5, WITH_NOVELTY)
    made.offer(make_frame(2, IMAGE), (0.02, 0.98), 4.25, WITH_NOVELTY)
    assert made.finish() == {"sent": 1}
    headers = dict(made.producer.records[0]["headers"])
    assert (headers["stripwatch_reason"], headers["stripwatch_label"]) == (b"novel", b"pits")
    assert (headers["stripwatch_novelty"], headers["stripwatch_novelty_threshold"]) == (b"9.5", b"4.25")


def test_the_reason_is_that_of_the_result_and_absent_values_have_no_header() -> None:
    made = Made()
    made.offer(make_frame(1, IMAGE))
    made.offer(make_frame(2, IMAGE), novelty=1.5, model=WITH_NOVELTY)
    assert made.finish() == {"sent": 2}
    first, second = (dict(record["headers"]) for record in made.producer.records)
    assert first["stripwatch_reason"] == b"score"
    assert not {"stripwatch_novelty", "stripwatch_novelty_threshold"} & first.keys()
    assert (second["stripwatch_reason"], second["stripwatch_novelty"]) == (b"score", b"1.5")


def test_a_defect_of_an_anomaly_model_is_sent_because_it_has_no_class() -> None:
    made = Made()
    made.offer(make_frame(1, IMAGE), (0.02, 0.98), model=ANOMALY)
    made.offer(make_frame(2, IMAGE), (0.98, 0.02), model=ANOMALY)
    assert made.finish() == {"sent": 1}
    assert dict(made.producer.records[0]["headers"])["stripwatch_reason"] == b"anomaly"
    assert made.quota("novel") == (1, 0)


def test_novel_frames_and_frames_with_low_scores_do_not_use_up_the_quota_of_each_other() -> None:
    made = Made(per_hour=2, novel_per_hour=3)
    for number in range(5):
        made.offer(make_frame(number, IMAGE), (0.02, 0.98), 9.5, WITH_NOVELTY)
        made.offer(make_frame(10 + number, IMAGE), novelty=0.5, model=WITH_NOVELTY)
    assert made.finish() == {"sent": 5, "over_quota": 5}
    assert (made.quota("novel"), made.quota("class")) == ((3, 2), (2, 3))


def test_the_quota_of_novel_frames_is_per_camera_whatever_the_label() -> None:
    made = Made(novel_per_hour=2)
    for camera in ("top-1", "top-2"):
        for number, scores in enumerate(((0.4, 0.6), (0.6, 0.4), (0.4, 0.6))):
            made.offer(make_frame(number, IMAGE, camera=camera), scores, 9.5, WITH_NOVELTY)
    assert made.finish() == {"sent": 4, "over_quota": 2}


def test_a_refusing_topic_is_tolerated() -> None:
    made = Made(Future().failure(KafkaTimeoutError("too late")))
    for number in range(3):
        made.offer(make_frame(number, IMAGE))
    assert made.finish() == {"failed": 3}
    made.offer(make_frame(3, IMAGE))
    assert made.metrics.registry.get_sample_value("stripwatch_review_frames_total", {"outcome": "dropped"}) == 1


def test_the_boxes_of_an_unsure_frame_or_of_the_defects_of_an_anomaly_model_are_sent() -> None:
    box = Box(12, 8, 24, 16)
    made, frame = Made(), make_frame(1, IMAGE)
    unsure = EVENTS.result(Prediction(frame, MODEL, 48, 32, (0.4, 0.6), 0.0, 0.0, 0.0), 0.0)
    anomaly = EVENTS.result(Prediction(frame, ANOMALY, 48, 32, (0.02, 0.98), 0.0, 0.0, 0.0), 0.0)
    made.review.on_delivered(struct_replace(unsure, candidates=(Candidate("pits", 0.6, box),)), frame)
    made.review.on_delivered(struct_replace(anomaly, defects=[Defect("pits", 0.98, box, None)]), frame)
    made.review.on_delivered(unsure, frame)
    assert made.finish() == {"sent": 3}
    first, second, third = (dict(record["headers"]) for record in made.producer.records)
    place = b'"box_px":{"x":12,"y":8,"width":24,"height":16}}]'
    assert first["stripwatch_boxes"] == b'[{"label":"pits","score":0.6,' + place
    assert second["stripwatch_boxes"] == b'[{"label":"pits","score":0.98,' + place
    assert not {"stripwatch_boxes", "stripwatch_no_defect"} & third.keys()


def test_the_label_that_means_no_defect_is_sent() -> None:
    made, frame = Made(), make_frame(1, IMAGE)
    made.offer(frame, model=make_model(policy=MODEL.policy, info=struct_replace(MODEL.info, no_defect="clean")))
    assert made.finish() == {"sent": 1}
    assert dict(made.producer.records[0]["headers"])["stripwatch_no_defect"] == b"clean"
