"""Model reloads with frames in flight, several concurrent batches, and a stage that fails."""

import threading
import weakref
from dataclasses import fields, replace
from pathlib import Path

import pytest
from msgspec.structs import replace as replace_struct
from structlog.testing import capture_logs

from stripwatch.worker.common.errors import InferenceError
from stripwatch.worker.contracts.events import Result
from stripwatch.worker.contracts.positions import CommitPoint
from stripwatch.worker.images.decode_spec import DecodeSpec, Pixels
from stripwatch.worker.model.batch_policy import BatchPolicy
from stripwatch.worker.model.bundle import Threshold
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.model.session import Output, Session, WarmedBatch
from stripwatch.worker.pipeline.inspect.publish_stage import OutgoingFrame
from tests.tiny import (
    LABELS,
    NOISY,
    NOVELTY,
    SPEC,
    encode_frame,
    expected_scores,
    tiny_contract,
    watchful_contract,
    write_bundle,
)
from tests.waiting import wait_until
from tests.worker.pipeline.inspect.stages import FRAMES, Collector, Parts, feed, opened


def test_a_reload_between_two_frames_changes_decoding_labels_and_name_together(
    model: LoadedModel, tmp_path: Path
) -> None:
    """The two models expect different sizes and colours, so a frame in the wrong session would fail."""
    spec = DecodeSpec(height_px=8, width_px=8, colour="grey")
    labels = ["black", "iron", "white"]
    golden = [
        replace_struct(frame, label=label)
        for frame, label in zip(tiny_contract(decode=spec).golden, labels, strict=True)
    ]
    thresholds = {label: Threshold() for label in labels}
    manifest = tiny_contract(decode=spec, labels=labels, golden=golden, clean_label="iron", thresholds=thresholds)
    new = opened(write_bundle(tmp_path / "new.onnx", manifest))
    publisher = Collector()
    parts = Parts(publisher)
    pipeline = parts.pipeline(model)
    encoded = [encode_frame(i / 100, seed=i) for i in range(100)]
    feed(pipeline, parts, encoded[:50])  # all of them wait, so that some batch contains frames of both models
    pipeline.use_model(new)
    feed(pipeline, parts, encoded[50:], first=50)
    pipeline.start()
    assert pipeline.drain(60)
    results = [event for event in publisher.events if isinstance(event, Result)]
    assert [event.model for event in results] == [model.info] * 50 + [new.info] * 50
    for event, content in zip(results, encoded, strict=True):
        first = event.model == model.info
        expected = expected_scores(content, SPEC if first else spec)
        assert event.scores == pytest.approx(dict(zip(LABELS if first else labels, expected, strict=True)), abs=1e-5)


def test_a_reload_can_add_or_remove_the_novelty_score(model: LoadedModel, tmp_path: Path) -> None:
    watchful = opened(write_bundle(tmp_path / "watchful.onnx", watchful_contract()))
    publisher = Collector()
    parts = Parts(publisher)
    pipeline = parts.pipeline(model)
    novel = encode_frame(0.9, noise=NOISY)
    for number, running in enumerate((model, watchful, model)):
        pipeline.use_model(running)
        feed(pipeline, parts, [novel] * 5, first=5 * number)
    pipeline.start()
    assert pipeline.drain(60)
    results = [event for event in publisher.events if isinstance(event, Result)]
    found = [(event.verdict, event.reason, event.novelty is None, event.model.novelty_threshold) for event in results]
    without = ("defect", None, True, None)
    assert found == [without] * 5 + [("unsure", "novel", False, NOVELTY.threshold)] * 5 + [without] * 5


def test_the_old_model_is_freed_with_its_last_frame(model: LoadedModel, tmp_path: Path) -> None:
    old = opened(write_bundle(tmp_path / "old.onnx", tiny_contract(version="0")))
    runner = old.session._free.get()
    gone = weakref.ref(runner)
    old.session._free.put(runner)
    del runner
    publisher = Collector(hold=True)
    parts = Parts(publisher)
    pipeline = parts.pipeline(old)
    pipeline.start()
    feed(pipeline, parts, [encode_frame(0.5)] * 10)
    pipeline.use_model(model)
    del old
    wait_until(lambda: len(publisher.events) == 10)
    wait_until(lambda: gone() is None)  # although no further frame has come, and no result is acknowledged
    pipeline.drain(1)


class MeetingSession(Session):
    """A model that returns a batch only while another one runs too."""

    meeting: threading.Barrier

    def predict(self, frames: Pixels) -> Output:
        self.meeting.wait(30)
        return super().predict(frames)


def test_two_batches_run_concurrently(model: LoadedModel) -> None:
    session = MeetingSession(**{field.name: getattr(model.session, field.name) for field in fields(Session)})
    session.meeting = threading.Barrier(2)
    publisher = Collector()
    parts = Parts(publisher)
    policy = BatchPolicy([WarmedBatch(1, 1.0)], 1)
    pipeline = parts.pipeline(replace(model, session=session, batch_policy=policy), batches_in_flight=2)
    pipeline.start()
    feed(pipeline, parts, [encode_frame(i / 10) for i in range(10)])
    assert pipeline.drain(60)
    assert [event.frame.offset for event in publisher.events] == list(range(10))


class BrokenSession(Session):
    def predict(self, frames: Pixels) -> Output:
        raise InferenceError("the device is gone")


class Fault(BaseException):
    pass


class FaultyPublisher(Collector):
    def publish(self, outgoing: OutgoingFrame) -> None:
        raise Fault


@pytest.mark.parametrize(
    ("broken", "failure"), [("model", InferenceError), ("publisher", Fault)], ids=["model", "publisher"]
)
def test_a_failed_stage_ends_the_worker(model: LoadedModel, broken: str, failure: type[BaseException]) -> None:
    if broken == "model":
        session = BrokenSession(**{field.name: getattr(model.session, field.name) for field in fields(Session)})
        model = replace(model, session=session)
    parts = Parts(FaultyPublisher() if broken == "publisher" else Collector())
    pipeline = parts.pipeline(model)
    with capture_logs() as logs:
        pipeline.start()
        feed(pipeline, parts, [encode_frame(0.5)])
        assert pipeline.failed.wait(30)
    (entry,) = [line for line in logs if line["event"] == "the worker cannot continue"]
    assert entry["error"] == ("the device is gone" if broken == "model" else "Fault")
    with pytest.raises(failure):
        pipeline.raise_failure()
    assert not pipeline.drain(30)
    assert not any(thread.name in ("predict", "publish") for thread in threading.enumerate())
    assert parts.tracker.committable() == {FRAMES: CommitPoint(0)}
