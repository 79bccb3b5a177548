"""The scene on a broker: its results and rejects with their times, and the frames of its defects."""

from collections.abc import Iterable
from typing import Any

import msgspec

from stripwatch.worker.contracts.events import Result
from tests.e2e.line import Line
from tests.worker.dashboard.scene.pictures import encoded
from tests.worker.dashboard.scene.story import Told, events


def publish_scene(line: Line, now_s: float) -> int:
    """Send the events of the scene, which ends at `now_s`, in seconds since 1970. Return their number."""
    return publish(line, events(now_s))


def publish(line: Line, story: Iterable[Told]) -> int:
    """Send events in their order. Frames that look alike share one record on the topic of frames."""
    frames: dict[bytes, int] = {}
    sent = 0
    with line.broker.producer(linger_ms=50, batch_size=500_000, max_in_flight_requests_per_connection=1) as producer:
        for told in story:
            topic, value = ("rejects", b"\xff\xd8") if told.value is None else ("results", told.value)
            if b'"verdict":"defect"' in value:
                value = _with_frame(value, frames, producer, line)
            producer.send(
                line.topics[topic],
                value,
                key=told.camera.encode(),
                headers=list(told.headers),
                timestamp_ms=round(1000 * told.read_s),
            )
            sent += 1
        producer.flush()
    return sent


def _with_frame(value: bytes, frames: dict[bytes, int], producer: Any, line: Line) -> bytes:
    result = msgspec.json.decode(value, type=Result)
    size_px = result.frame.width_px or 0, result.frame.height_px or 0
    image = encoded(result.defects[0].label, size_px, result.frame.offset or 0)
    if image not in frames:
        frames[image] = producer.send(line.topics["frames"], image, partition=0).get(30).offset
    frame = msgspec.structs.replace(result.frame, topic=line.topics["frames"], partition=0, offset=frames[image])
    return msgspec.json.encode(msgspec.structs.replace(result, frame=frame))
