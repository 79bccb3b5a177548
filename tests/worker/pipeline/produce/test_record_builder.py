"""Events as Kafka records."""

import json

import msgspec
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from stripwatch.worker.broker.topic_limits import TopicLimits
from stripwatch.worker.config.sections import Topics
from stripwatch.worker.contracts.frame_headers import event_headers, original_headers
from stripwatch.worker.contracts.record_fields import RecordFields
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.produce.record_builder import RecordBuilder, review_headers
from tests.frames import make_frame
from tests.raw_frames import pack, raw_headers
from tests.tiny import encode_frame
from tests.worker.pipeline.samples import MODEL, reject, result


def shortened_count(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("stripwatch_rejects_shortened_total")


def records(reject_bytes_max: int = 1000) -> RecordBuilder:
    return RecordBuilder(Topics(), reject_bytes_max)


def test_a_clean_result_is_one_record_with_its_camera_as_key() -> None:
    frame = make_frame()
    (record,) = records().build(result(frame, defect=False), frame)
    assert (record.topic, record.key) == ("inspection.results", b"top-1")
    assert msgspec.json.decode(record.body)["id"] == frame.id


def test_a_result_with_a_defect_is_two_records_serialised_once() -> None:
    frame = make_frame()
    first, second = records().build(result(frame, defect=True), frame)
    assert (first.topic, second.topic) == ("inspection.results", "inspection.defects")
    assert first.body is second.body


def test_a_reject_carries_its_frame_reason_and_headers() -> None:
    frame = make_frame(7, b"abc", headers=(("ce_id", b"1"),), timestamp_ms=99)
    (record,) = records().build(reject(frame), frame)
    headers = dict(record.headers)
    assert (record.topic, record.body, record.frame_bytes) == ("inspection.rejects", b"abc", 3)
    assert headers["stripwatch_reason"] == b"truncated"
    assert headers["stripwatch_offset"] == b"7"
    assert headers["original.ce_id"] == b"1"
    assert (headers["stripwatch_key"], headers["stripwatch_timestamp_ms"]) == (b"top-1", b"99")


def limited(**bytes_max: int) -> TopicLimits:
    """Limits in the form that Kafka reports, by the last word of the topic name."""
    limits = TopicLimits(lambda: {f"inspection.{name}": bytes_ for name, bytes_ in bytes_max.items()})
    limits.refresh()
    return limits


@pytest.mark.parametrize("bytes_max", [1_000, 5_000, 100_000, 1_048_588])
def test_a_reject_fills_the_limit_of_its_topic_and_states_how_much_it_keeps(bytes_max: int) -> None:
    metrics = Metrics(CollectorRegistry())
    maker = RecordBuilder(Topics(), 16_000_000, limited(rejects=bytes_max), metrics.rejects_shortened)
    frame = make_frame(0, b"x" * 2_000_000, headers=(("ce_id", b"1"),))
    (record,) = maker.build(reject(frame), frame)
    headers = dict(record.headers)
    assert bytes_max - 100 < record.size_bytes <= bytes_max
    assert (headers["stripwatch_bytes"], headers["stripwatch_bytes_kept"]) == (b"2000000", b"%d" % len(record.body))
    assert record.frame_bytes == len(record.body)
    assert shortened_count(metrics) == 1


def test_a_reject_within_the_limit_is_complete() -> None:
    metrics = Metrics(CollectorRegistry())
    maker = RecordBuilder(Topics(), 1000, limited(rejects=2000), metrics.rejects_shortened)
    frame = make_frame(0, b"x" * 500)
    assert (len(maker.build(reject(frame), frame)[0].body), shortened_count(metrics)) == (500, 0)


def test_a_reject_omits_the_camera_headers_if_they_alone_exceed_the_limit() -> None:
    maker, frame = (
        RecordBuilder(Topics(), 1000, limited(rejects=2000)),
        make_frame(0, b"x" * 500, headers=(("note", b"n" * 3000),)),
    )
    (record,) = maker.build(reject(frame), frame)
    headers = dict(record.headers)
    assert (record.body, headers["stripwatch_headers_dropped"], record.frame_bytes) == (b"", b"1", 0)
    assert record.size_bytes <= 2000


def test_a_review_frame_carries_the_prediction_and_its_position() -> None:
    frame = make_frame(7, encode_frame(0.5), headers=(("ce_id", b"1"),), timestamp_ms=99, coil="C1")
    headers = dict(review_headers(result(frame, defect=False), frame))
    assert (headers["ce_type"], headers["content-type"]) == (b"stripwatch.review.v1", b"image/png")
    assert headers["ce_id"] == frame.id.encode() + b"-review"
    assert headers["stripwatch_event_id"] == frame.id.encode()
    assert (headers["stripwatch_label"], headers["stripwatch_score"]) == (b"clean", b"0.9")
    assert json.loads(headers["stripwatch_scores"]) == {"clean": 0.9, "pits": 0.1}
    assert headers["stripwatch_model_sha256"] == MODEL.info.sha256.encode()
    assert (headers["stripwatch_topic"], headers["stripwatch_offset"]) == (b"frames", b"7")
    assert (headers["original.ce_id"], headers["stripwatch_key"]) == (b"1", b"top-1")


def test_a_copy_of_a_raw_buffer_keeps_its_layout_headers() -> None:
    buffer, layout = pack(np.zeros((8, 8), np.uint16), "Mono12p")
    frame = make_frame(7, buffer, layout=layout, headers=tuple(raw_headers(layout)))
    copies = (review_headers(result(frame, defect=False), frame), records().build(reject(frame), frame)[0].headers)
    for headers in map(dict, copies):
        assert headers["content-type"] == b"application/octet-stream"
        assert RecordFields.of(original_headers(list(headers.items()))).raw_layout() == layout


def test_headers_follow_the_cloudevents_binding() -> None:
    frame = make_frame(line="/plant/line 1", camera="top/1", coil="C1", strip_position_mm=5, strip_direction="reverse")
    headers = dict(event_headers(frame, "result"))
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_source"] == b"/plant/line%201/top%2F1"
    assert headers["ce_subject"] == b"C1"
    assert headers["ce_strippositionmm"] == b"5"
    assert headers["ce_stripdirection"] == b"reverse"
    assert "traceparent" not in headers
    assert dict(event_headers(frame, "defect"))["ce_id"] == headers["ce_id"] + b"-defect"
