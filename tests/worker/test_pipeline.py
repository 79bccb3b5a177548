"""The stages together, without broker: order, accounting, and a stage that dies takes the worker with it."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from tests.badframes import BAD_FRAMES
from tests.frames import make_frame
from tests.tiny import encode_frame, write_bundle
from worker.bundle import read_bundle
from worker.credits import Credits
from worker.decode import Pixels
from worker.errors import PredictFailed
from worker.event import Reject, Result
from worker.frame import Frame
from worker.metrics import Metrics
from worker.offsets import Partition
from worker.pipeline import Parts, Pipeline
from worker.run import build_parts
from worker.session import Output, Session, open_session
from worker.settings import load_settings

FRAMES = Partition("frames", 0)


class Collector:
    """A publisher that settles at once, or keeps the settlements for later."""

    def __init__(self, hold: bool = False) -> None:
        self.events: list[Result | Reject] = []
        self.held: list[Callable[[], None]] = []
        self._hold = hold

    def publish(self, event: Result | Reject, frame: Frame, settle: Callable[[], None]) -> None:
        self.events.append(event)
        if self._hold:
            self.held.append(settle)
        else:
            settle()

    def flush(self, timeout_s: float) -> None:
        pass


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    path: Path = write_bundle(tmp_path_factory.mktemp("bundle") / "tiny.onnx")
    return open_session(read_bundle(path), "cpu", 1, 4)


def parts_with(session: Session, publisher: Collector) -> Parts:
    metrics = Metrics(CollectorRegistry())
    parts = build_parts(load_settings(None, {"decode_threads": 2}), session, metrics, publisher, Credits(10_000, 10**9))
    parts.ledger.assign([FRAMES])
    return parts


def feed(pipeline: Pipeline, parts: Parts, encoded: list[bytes]) -> None:
    for offset, content in enumerate(encoded):
        frame = make_frame(offset, content)
        assert parts.ledger.opened(frame.position)
        parts.credits.take(len(frame.encoded))
        pipeline.take(frame)


def test_every_frame_comes_out_once_in_order_and_is_counted(session: Session) -> None:
    publisher = Collector()
    parts = parts_with(session, publisher)
    bad = [value or b"" for value, _ in BAD_FRAMES.values()]
    encoded = [
        x for pair in zip((encode_frame(i / 40, seed=i) for i in range(40)), bad * 3, strict=False) for x in pair
    ]
    pipeline = Pipeline(parts)
    pipeline.start()
    feed(pipeline, parts, encoded)
    assert pipeline.drain(60)
    assert [event.frame.offset for event in publisher.events] == list(range(len(encoded)))
    assert parts.ledger.committable() == {FRAMES: len(encoded)}
    assert (parts.credits.frames, parts.credits.bytes) == (0, 0)
    read = parts.metrics.registry.get_sample_value
    results = sum(read("stripwatch_results_total", {"verdict": v}) or 0 for v in ("clean", "unsure", "defect"))
    rejects = sum(
        read("stripwatch_rejects_total", {"reason": r}) or 0 for r in {e.value for _, e in BAD_FRAMES.values()}
    )
    assert (results, rejects) == (40, 40)
    assert read("stripwatch_batch_frames_sum") == 40
    assert read("stripwatch_frame_age_seconds_count") == 40


def test_nothing_is_committable_before_it_is_acknowledged(session: Session) -> None:
    publisher = Collector(hold=True)
    parts = parts_with(session, publisher)
    pipeline = Pipeline(parts)
    pipeline.start()
    feed(pipeline, parts, [encode_frame(0.5)] * 3)
    assert not pipeline.drain(60)
    assert parts.ledger.committable() == {FRAMES: 0}
    for settle in publisher.held[1:]:
        settle()
    assert parts.ledger.committable() == {FRAMES: 0}
    publisher.held[0]()
    assert parts.ledger.committable() == {FRAMES: 3}


def test_a_capture_in_the_future_counts_as_age_zero(session: Session) -> None:
    publisher = Collector()
    parts = parts_with(session, publisher)
    pipeline = Pipeline(parts)
    pipeline.start()
    frame = make_frame(0, encode_frame(0.5), captured_ms=99_000_000_000_000)
    parts.ledger.opened(frame.position)
    parts.credits.take(len(frame.encoded))
    pipeline.take(frame)
    pipeline.drain(60)
    read = parts.metrics.registry.get_sample_value
    assert read("stripwatch_negative_frame_ages_total") == 1
    assert read("stripwatch_frame_age_seconds_sum") == 0


class BrokenModel:
    def predict(self, frames: Pixels) -> Output:
        raise PredictFailed("the device is gone")


class Fault(BaseException):
    pass


class FaultyPublisher(Collector):
    def publish(self, event: Result | Reject, frame: Frame, settle: Callable[[], None]) -> None:
        raise Fault


@pytest.mark.parametrize(
    ("broken", "failure"), [("model", PredictFailed), ("publisher", Fault)], ids=["model", "publisher"]
)
def test_a_stage_that_dies_takes_the_worker_with_it(
    session: Session, broken: str, failure: type[BaseException]
) -> None:
    parts = parts_with(session, FaultyPublisher() if broken == "publisher" else Collector())
    if broken == "model":
        parts = Parts(**{name: getattr(parts, name) for name in Parts.__slots__} | {"model": BrokenModel()})
    pipeline = Pipeline(parts)
    pipeline.start()
    feed(pipeline, parts, [encode_frame(0.5)])
    assert pipeline.failed.wait(30)
    with pytest.raises(failure):
        pipeline.raise_failure()
    assert not pipeline.drain(30)
    assert not any(thread.name in ("predict", "publish") for thread in threading.enumerate())
    assert parts.ledger.committable() == {FRAMES: 0}
