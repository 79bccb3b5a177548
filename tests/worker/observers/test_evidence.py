"""Evidence: the event states whether there will be an image, and the statement is kept."""

from typing import Any
from unittest.mock import ANY

import cv2
import msgspec
import numpy as np
import pytest
from kafka.future import Future
from prometheus_client import CollectorRegistry

from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.config.observer_sections import EvidenceSettings
from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.images.decode_spec import DecodeLimits
from stripwatch.worker.model.bundle import CellGrid
from stripwatch.worker.model.heatmaps import HeatmapDecoder
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.observers.background_worker import FRAMES_MAX
from stripwatch.worker.observers.best_effort_producer import BestEffortProducer
from stripwatch.worker.observers.evidence import Evidence
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.outcomes import Prediction, Skipped
from tests.frames import make_frame
from tests.models import make_model
from tests.tiny import encode_frame
from tests.worker.pipeline.samples import result

EVENTS, MODEL = EventBuilder({}), make_model()
READER = HeatmapDecoder("place", CellGrid((7.5, 7.5), (16, 16)), 0.5, 32, 32)
PICTURE = encode_frame(0.5, (320, 320))
EVENT = result(make_frame(), defect=True)


class Taken:
    """A producer that acknowledges everything."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def send(self, topic: str, body: bytes, **record: Any) -> Future:
        self.records.append({"topic": topic, "body": body, **record})
        return Future().success(None)


class Made:
    """Evidence with a producer that acknowledges everything, unless another one is given."""

    def __init__(self, open_producer: Any = None, per_minute: float = 1000) -> None:
        self.producer = Taken()
        self.metrics = Metrics(CollectorRegistry())
        count = self.metrics.evidence_frames.labels
        topic = BestEffortProducer(open_producer or (lambda: self.producer), count("failed").inc, count("sent").inc)
        settings = EvidenceSettings(per_minute_max=per_minute)
        self.evidence = Evidence(settings, "inspection.evidence", topic, DecodeLimits(), self.metrics, lambda: 0.0)

    def admit(self, frame: Frame, defect: bool = True, **changes: Any) -> Result | Reject:
        scores = (0.1, 0.9) if defect else (0.9, 0.1)
        outcome = Prediction(frame, **({"model": MODEL, "heatmaps": None} | changes), width_px=320, height_px=320,
                             scores=scores, decode_s=0.0, queue_s=0.0, inference_s=0.0)  # fmt: skip
        return self.evidence.on_event(outcome, EVENTS.result(outcome, 0.0))

    def finish(self) -> dict[str, float]:
        """Process the queue and return how often each outcome was counted."""
        self.evidence.start()
        self.evidence.close(60)
        read = self.metrics.registry.get_sample_value
        found = {
            name: read("stripwatch_evidence_frames_total", {"outcome": name})
            for name in ("sent", "over_quota", "dropped", "failed")
        }
        return {name: value for name, value in found.items() if value}


def announced(event: Result | Reject) -> bool | None:
    assert isinstance(event, Result)
    return event.evidence


def test_sends_an_image_with_the_event_id_as_key_after_the_acknowledgement() -> None:
    made, frame = Made(), make_frame(1, PICTURE, coil="C1")
    event = made.admit(frame)
    assert announced(event) is True
    assert msgspec.json.decode(msgspec.json.encode(event))["evidence"] is True
    made.evidence.on_delivered(EVENT, frame)
    assert made.finish() == {"sent": 1}
    (record,) = made.producer.records
    headers = dict(record["headers"])
    assert (record["topic"], record["key"]) == ("inspection.evidence", frame.id.encode())
    assert (headers["ce_type"], headers["content-type"]) == (b"stripwatch.evidence.v1", b"image/jpeg")
    assert (headers["ce_id"], headers["ce_subject"]) == (f"{frame.id}-evidence".encode(), b"C1")
    pixels = cv2.imdecode(np.frombuffer(record["body"], np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    assert pixels.shape == (320, 320, 3)


def test_draws_the_heatmap_of_the_defects_label() -> None:
    maps = np.zeros((2, 2, 2), np.float32)
    maps[0, 0, 0], maps[1, 1, 1] = 1, 1  # of "clean" and of "pits"
    made, frame = Made(), make_frame(1, PICTURE)
    made.admit(frame, model=make_model(heatmap_decoder=READER), heatmaps=maps)
    maps[:] = 0  # the array belongs to the whole batch
    made.evidence.on_delivered(EVENT, frame)
    assert made.finish() == {"sent": 1}
    pixels = cv2.imdecode(np.frombuffer(made.producer.records[0]["body"], np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    blue_to_red = pixels[..., 2].astype(int) - pixels[..., 0]
    assert blue_to_red[290:, 290:].mean() > 50
    assert abs(blue_to_red[40:80, 40:80].mean()) < 10


def test_an_event_without_a_defect_does_not_mention_evidence() -> None:
    made, frame = Made(), make_frame()
    assert announced(made.admit(frame, defect=False)) is None
    skipped = Skipped(frame, MODEL)
    assert announced(made.evidence.on_event(skipped, EVENTS.skipped(skipped, 0.0))) is None
    made.evidence.on_delivered(EVENT, frame)
    assert made.finish() == {}


def test_a_dropped_frame_releases_its_room_and_sends_no_image() -> None:
    made, frames = Made(), [make_frame(1, PICTURE) for _ in range(3 * FRAMES_MAX)]
    for frame in frames:
        assert announced(made.admit(frame)) is True
        made.evidence.on_dropped(EVENT, frame)
    assert announced(made.admit(frames[0])) is True  # the frame was read again
    made.evidence.on_delivered(EVENT, frames[0])
    assert made.finish() == {"sent": 1}


def test_two_copies_of_a_frame_have_separate_room() -> None:
    made, first, second = Made(), make_frame(1, PICTURE), make_frame(1, PICTURE)
    assert [announced(made.admit(frame)) for frame in (first, second)] == [True, True]
    made.evidence.on_dropped(EVENT, second)
    made.evidence.on_delivered(EVENT, first)
    assert made.finish() == {"sent": 1}


def test_the_event_says_so_if_its_camera_is_over_quota() -> None:
    made = Made(per_minute=2)
    for camera in ("top-1", "top-2"):
        assert [announced(made.admit(make_frame(n, camera=camera))) for n in range(4)] == [True, True, False, False]
    assert made.finish() == {"over_quota": 4}


def test_the_event_says_so_if_there_is_no_room() -> None:
    made = Made()
    frames = [make_frame(number, PICTURE) for number in range(FRAMES_MAX + 3)]
    assert [announced(made.admit(frame)) for frame in frames] == [True] * FRAMES_MAX + [False] * 3
    for frame in frames:
        made.evidence.on_delivered(EVENT, frame)
    assert made.finish() == {"sent": FRAMES_MAX, "dropped": 3}


def test_a_failed_image_is_counted_and_later_events_announce_none() -> None:
    def away() -> None:
        raise BrokerUnavailableError("no broker answers")

    made, frames = Made(away), [make_frame(number, PICTURE) for number in range(3)]
    for frame in frames[:2]:
        assert announced(made.admit(frame)) is True
        made.evidence.on_delivered(EVENT, frame)
    assert made.finish() == {"failed": 2}
    assert announced(made.admit(frames[2])) is False


def test_a_frame_that_cannot_be_drawn_counts_as_failed() -> None:
    made, frame = Made(), make_frame(1, b"not an image")
    made.admit(frame)
    made.evidence.on_delivered(EVENT, frame)
    assert made.finish() == {"failed": 1}
    assert made.producer.records == []


@pytest.mark.parametrize("maps", [None, np.ones((2, 2, 2), np.float32)], ids=["without boxes", "with boxes"])
def test_adds_its_field_to_the_event_and_changes_nothing_else(maps: Any) -> None:
    model, frame = make_model(heatmap_decoder=READER), make_frame()
    plain = EVENTS.result(Prediction(frame, model, 320, 320, (0.1, 0.9), 0.0, 0.0, 0.0, maps), 0.0)
    event = Made().admit(frame, model=model, heatmaps=maps)
    assert msgspec.to_builtins(event) == msgspec.to_builtins(plain) | {"evidence": True, "timing_ms": ANY}
