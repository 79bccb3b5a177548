import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from stripwatch.worker.common.errors import BrokerUnavailableError, InputError
from stripwatch.worker.contracts import topics
from stripwatch.worker.contracts.events import Box
from stripwatch.worker.simulator import frame_sender as sender_module
from stripwatch.worker.simulator.cameras import CapturedFrame, SourceImage
from stripwatch.worker.simulator.frame_sender import FrameSender, open_sent_file
from tests.worker.conftest import FakeProducer, read_lines

IMAGE = SourceImage(b"0123456789", "image/jpeg", label="pits", boxes=(Box(1, 2, 3, 4),))
CAPTURED = CapturedFrame(IMAGE, "top-1", "C7", 500, datetime(2026, 11, 23, tzinfo=UTC), "run-0")
FROM_FILE = replace(CAPTURED, image=SourceImage(b"ab", "image/png", file="sub/a.png"), camera="top-2")


def test_records_each_acknowledged_frame_once(tmp_path: Path, producer: FakeProducer) -> None:
    path = tmp_path / "sent.jsonl"
    with open_sent_file(path) as sent_file:
        sender = FrameSender(producer, topics.FRAMES, sent_file)
        sender.send(CAPTURED)
        sender.send(FROM_FILE)
        producer.acknowledge(1)
        producer.acknowledge(0)
        sender.finish()
        assert not path.exists()
    common = {"topic": "inspection.frames", "partition": 3, "coil": "C7"}
    assert read_lines(path) == [
        {**common, "offset": 41, "camera": "top-2", "label": None, "file": "sub/a.png", "boxes": []},
        {
            **common,
            "offset": 40,
            "camera": "top-1",
            "label": "pits",
            "file": None,
            "boxes": [{"x": 1, "y": 2, "width": 3, "height": 4}],
        },
    ]
    assert sender.frames_acknowledged == 2
    assert sender.bytes_acknowledged == 12
    assert list(tmp_path.iterdir()) == [path]


def test_record_contains_the_bytes_with_the_camera_as_key(producer: FakeProducer) -> None:
    FrameSender(producer, topics.FRAMES, None).send(CAPTURED)
    (record,) = producer.records
    assert (record.value, record.key) == (IMAGE.encoded, b"top-1")
    assert record.timestamp_ms == 1_795_392_000_000
    assert record.headers == CAPTURED.headers()


def test_unaccepted_frame_ends_the_run_and_leaves_the_sent_file_unfinished(
    tmp_path: Path, producer: FakeProducer
) -> None:
    path = tmp_path / "sent.jsonl"
    with pytest.raises(BrokerUnavailableError, match="did not accept frame run-0"), open_sent_file(path) as sent_file:
        _send_three_of_which_one_is_refused(FrameSender(producer, topics.FRAMES, sent_file), producer)
    assert len(read_lines(tmp_path / "sent.jsonl.part")) == 1
    assert not path.exists()
    assert len(producer.records) == 2


def _send_three_of_which_one_is_refused(sender: FrameSender, producer: FakeProducer) -> None:
    sender.send(CAPTURED)
    sender.send(CAPTURED)
    producer.acknowledge(1)
    producer.records[0].future.failure(KafkaTimeoutError("too late"))
    sender.send(CAPTURED)


@pytest.mark.parametrize("acknowledged", [0, 1])
def test_finish_requires_every_acknowledgement(producer: FakeProducer, acknowledged: int) -> None:
    sender = FrameSender(producer, topics.FRAMES, None)
    sender.send(CAPTURED)
    sender.send(CAPTURED)
    for number in range(acknowledged):
        producer.acknowledge(number)
    with pytest.raises(BrokerUnavailableError, match="never acknowledged"):
        sender.finish()


def test_flush_timeout_raises_broker_unavailable(producer: FakeProducer) -> None:
    producer.flush_error = KafkaTimeoutError()
    with pytest.raises(BrokerUnavailableError, match="Kafka acknowledged nothing for 35 s"):
        FrameSender(producer, topics.FRAMES, None).finish()


def test_error_names_a_frame_over_the_message_size_limit(producer: FakeProducer) -> None:
    sender = FrameSender(producer, topics.FRAMES, None)
    sender.send(FROM_FILE)
    producer.records[0].future.failure(MessageSizeTooLargeError())
    with pytest.raises(InputError, match=r"sub/a\.png has 2 bytes, more than topic inspection\.frames accepts"):
        sender.finish()


def test_bounds_the_bytes_in_flight(monkeypatch: pytest.MonkeyPatch, producer: FakeProducer) -> None:
    monkeypatch.setattr(sender_module, "INFLIGHT_BYTES_MAX", 15)
    sender = FrameSender(producer, topics.FRAMES, None)
    sender.send(CAPTURED)  # 10 bytes
    waiting = threading.Thread(target=sender.send, args=(CAPTURED,))
    waiting.start()
    sent_before = len(producer.records)
    producer.acknowledge(0)
    waiting.join(timeout=10)
    assert (sent_before, len(producer.records)) == (1, 2)


def test_silent_producer_raises_broker_unavailable(monkeypatch: pytest.MonkeyPatch, producer: FakeProducer) -> None:
    monkeypatch.setattr(sender_module, "INFLIGHT_BYTES_MAX", 15)
    monkeypatch.setattr(sender_module, "_ACKNOWLEDGEMENT_S_MAX", 0.0)
    sender = FrameSender(producer, topics.FRAMES, None)
    sender.send(CAPTURED)
    with pytest.raises(BrokerUnavailableError, match="Kafka acknowledged nothing"):
        sender.send(CAPTURED)


def test_frame_larger_than_the_bound_is_sent_alone(monkeypatch: pytest.MonkeyPatch, producer: FakeProducer) -> None:
    monkeypatch.setattr(sender_module, "INFLIGHT_BYTES_MAX", 5)
    FrameSender(producer, topics.FRAMES, None).send(CAPTURED)
    assert len(producer.records) == 1


def test_unwritable_sent_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot write the sent file"), open_sent_file(tmp_path / "no" / "sent.jsonl"):
        pass
