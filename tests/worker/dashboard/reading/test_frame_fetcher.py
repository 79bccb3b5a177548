import cv2
import numpy as np
import pytest

from stripwatch.worker.common.errors import FrameRejected
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.contracts.positions import Position
from stripwatch.worker.dashboard.reading.frame_fetcher import FrameFetcher, shrink, shrink_rejected
from stripwatch.worker.images.decode_spec import DecodeLimits
from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line
from tests.raw_frames import pack


def strip(height: int = 256, width: int = 1600) -> bytes:
    return cv2.imencode(".png", np.full((height, width), 90, np.uint8))[1].tobytes()


def size(jpeg: bytes | None) -> tuple[int, ...]:
    assert jpeg is not None
    decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    height, width = decoded.shape[:2]
    return int(height), int(width)


def test_picture_keeps_its_aspect_ratio_and_is_never_enlarged() -> None:
    assert size(shrink(strip(), 320, DecodeLimits())) == (51, 320)
    assert size(shrink(strip(60, 80), 320, DecodeLimits())) == (60, 80)


def test_converts_a_raw_buffer_to_a_jpeg() -> None:
    buffer, layout = pack(np.full((60, 80), 2048), "Mono12p")
    assert size(shrink(buffer, 320, DecodeLimits(), layout)) == (60, 80)


@pytest.mark.parametrize("encoded", [b"", b"<svg onload=alert(1)>", strip()[:200], strip(4, 4)])
def test_shows_no_picture_of_a_frame_that_the_worker_would_reject(encoded: bytes) -> None:
    with pytest.raises(FrameRejected):
        shrink(encoded, 320, DecodeLimits())


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_shows_what_is_left_of_a_truncated_jpeg(share: float) -> None:
    jpeg = cv2.imencode(".jpg", np.full((64, 640), 90, np.uint8))[1].tobytes()
    part = jpeg[: len(jpeg) - round((1 - share) * 200)]
    assert size(shrink_rejected(part, 320, DecodeLimits())) == (32, 320)


@pytest.mark.parametrize("encoded", [b"", b"<svg onload=alert(1)>", strip()[:200], b"\xff\xd8\xff", b"\xff\xd8" * 99])
def test_shows_no_picture_of_a_reject_that_is_not_an_image(encoded: bytes) -> None:
    with pytest.raises(FrameRejected):
        shrink_rejected(encoded, 320, DecodeLimits())


def test_shows_a_reject_that_is_only_too_small() -> None:
    assert size(shrink_rejected(strip(4, 4), 320, DecodeLimits())) == (4, 4)


@pytest.fixture(params=["embedded", pytest.param("apache", marks=pytest.mark.kafka)])
def any_broker(request: pytest.FixtureRequest) -> BrokerHandle:
    handle: BrokerHandle = request.getfixturevalue(f"{request.param}_broker")
    return handle


def test_fetches_only_from_the_topics_of_frames_evidence_and_rejects(any_broker: BrokerHandle) -> None:
    line = Line.on(any_broker)
    noise = np.random.default_rng(0).integers(0, 255, (900, 900), np.uint8)
    large = cv2.imencode(".png", noise)[1].tobytes()
    (first, second, third) = line.send([strip(), strip(64, 64), large], key=b"top-1")
    topics = {name: line.topics[name] for name in ("frames", "evidence", "rejects")}
    raw, _ = pack(np.full((60, 80), 200), "Mono8")
    layout = {"ce_pixelformat": "Mono8", "ce_widthpx": "80", "ce_heightpx": "60"}
    original = [(f"original.{name}", value.encode()) for name, value in layout.items()]
    with any_broker.producer() as producer:
        reject = producer.send(topics["rejects"], raw, key=b"top-1", headers=original).get(30)
        drawn = producer.send(topics["evidence"], strip(64, 640), key=b"id").get(30)
    given = {"bootstrap_servers": any_broker.bootstrap_servers, "topics": topics}
    settings = load_settings(None, given)
    pictures = FrameFetcher(settings)
    try:
        position = Position(line.topics["frames"], second.partition, second.offset)
        assert size(pictures.picture(position, 320)) == (64, 64)
        assert size(pictures.picture(Position(line.topics["frames"], first.partition, first.offset), 320)) == (51, 320)
        assert size(pictures.picture(position, 320)) == (64, 64)
        assert size(pictures.picture(Position(line.topics["frames"], third.partition, third.offset), 320)) == (320, 320)
        assert size(pictures.picture(Position(topics["evidence"], drawn.partition, drawn.offset), 320)) == (32, 320)
        assert size(pictures.picture(Position(topics["rejects"], reject.partition, reject.offset), 320)) == (60, 80)
        assert pictures.picture(Position(line.topics["results"], 0, 0), 320) is None
    finally:
        pictures.close()
