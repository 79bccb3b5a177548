"""Inference on a batch. A frame on which the model fails does not affect the others."""

import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from stripwatch.worker.common.errors import FrameRejected, InferenceError, MemoryShortageError, RejectReason
from stripwatch.worker.images.decode_spec import Image, Pixels
from stripwatch.worker.model.session import Output
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.inspect.infer import infer_batch
from stripwatch.worker.pipeline.inspect.outcomes import Decoded, DecodedFrame, Prediction, RejectedFrame
from tests.frames import make_frame
from tests.models import make_model

POISON, NAN, UNKNOWN = 66, 77, 88
MODEL = make_model()


class ScriptedModel:
    """A model whose score is the first pixel divided by 100. It fails on POISON, or always when broken."""

    def __init__(self, broken: bool = False) -> None:
        self.broken = broken
        self.batches: list[int] = []

    def predict(self, frames: Pixels) -> Output:
        self.batches.append(len(frames))
        first = frames[:, 0, 0, 0]
        if self.broken or POISON in first:
            raise InferenceError("the device says no")
        scores = np.where(first == NAN, np.nan, first / 100).astype(np.float32)
        heatmaps = np.broadcast_to(first[:, None, None, None], (len(frames), 1, 1, 2)).astype(np.float32)
        novelty = np.where(first == UNKNOWN, np.nan, first * 2).astype(np.float32)
        return Output(np.stack([scores, 1 - scores], axis=1), heatmaps, novelty)


def decoded(offset: int, pixel: int) -> Decoded:
    return Decoded(make_frame(offset), MODEL, Image(np.full((2, 2, 1), pixel, np.uint8), 20, 10), 0.001, 0.0)


def refused(offset: int) -> RejectedFrame:
    return RejectedFrame(make_frame(offset), MODEL, FrameRejected(RejectReason.EMPTY, "nothing"))


def test_outcomes_are_in_order_and_rejects_pass_through() -> None:
    batch: list[DecodedFrame] = [decoded(0, 10), refused(1), decoded(2, 30)]
    model = ScriptedModel()
    outcomes = infer_batch(batch, model)
    assert [outcome.frame.position.offset for outcome in outcomes] == [0, 1, 2]
    assert outcomes[1] is batch[1]
    assert isinstance(outcomes[2], Prediction)
    assert outcomes[2].scores == pytest.approx((0.3, 0.7))
    assert (outcomes[2].width_px, outcomes[2].height_px) == (20, 10)
    assert outcomes[2].heatmaps is not None
    assert (outcomes[2].heatmaps == 30).all()
    assert outcomes[2].novelty == 60
    assert model.batches == [2]


class SmallMemory(ScriptedModel):
    """A model with memory for this many frames at a time."""

    def __init__(self, frames_max: int) -> None:
        super().__init__()
        self.frames_max = frames_max

    def predict(self, frames: Pixels) -> Output:
        if len(frames) > self.frames_max:
            raise MemoryError("bad_alloc")
        return super().predict(frames)


def test_runs_frames_one_by_one_if_the_batch_does_not_fit_in_memory() -> None:
    model, metrics = SmallMemory(1), Metrics(CollectorRegistry())
    outcomes = infer_batch([decoded(0, 10), decoded(1, 30)], model, metrics.memory_shortages)
    assert [outcome.frame.position.offset for outcome in outcomes] == [0, 1]
    assert all(isinstance(outcome, Prediction) for outcome in outcomes)
    assert model.batches == [1, 1]
    assert metrics.registry.get_sample_value("stripwatch_memory_shortages_total") == 1


def test_rejects_no_frame_for_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stripwatch.worker.pipeline.consume.memory_shortage._PAUSES_S", (0.0,))
    with pytest.raises(MemoryShortageError, match="out of memory: running the model"):
        infer_batch([decoded(0, 10)], SmallMemory(0))


class FailingAfterShortage(ScriptedModel):
    """A model that raises each of these errors once, in order; None is a success."""

    def __init__(self, *errors: Exception | None, broken: bool = False) -> None:
        super().__init__(broken)
        self.errors = list(errors)

    def predict(self, frames: Pixels) -> Output:
        if self.errors and (error := self.errors.pop(0)):
            raise error
        return super().predict(frames)


def test_a_device_failure_after_a_memory_shortage_rejects_no_frame() -> None:
    with pytest.raises(InferenceError, match="the device says no"):
        infer_batch([decoded(0, 10), decoded(1, 30)], FailingAfterShortage(MemoryError(), broken=True))


def test_rejects_only_the_bad_frame_after_a_memory_shortage() -> None:
    outcomes = infer_batch([decoded(0, 10), decoded(1, POISON)], FailingAfterShortage(MemoryError()))
    assert [type(outcome) for outcome in outcomes] == [Prediction, RejectedFrame]


def test_retries_after_a_failure_and_a_memory_shortage(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shortage concerns the frame, or the blank image that tells a bad frame from a broken device."""
    monkeypatch.setattr("stripwatch.worker.pipeline.consume.memory_shortage._PAUSES_S", (0.0,))
    failure, short = InferenceError("not now"), MemoryError()
    for errors in ([failure, short], [failure, failure, short]):
        (outcome,) = infer_batch([decoded(0, 10)], FailingAfterShortage(*errors))
        assert isinstance(outcome, Prediction)


def test_does_not_run_the_model_on_a_batch_of_rejects() -> None:
    model = ScriptedModel()
    assert len(infer_batch([refused(0), refused(1)], model)) == 2
    assert model.batches == []


def test_rejects_only_the_bad_frame_of_a_batch() -> None:
    outcomes = infer_batch([decoded(0, 10), decoded(1, POISON), decoded(2, 30)], ScriptedModel())
    assert [type(outcome) for outcome in outcomes] == [Prediction, RejectedFrame, Prediction]
    assert isinstance(outcomes[1], RejectedFrame)
    assert outcomes[1].error.reason == RejectReason.INFERENCE_FAILED


def test_a_batch_of_one_bad_frame_does_not_stop_the_worker() -> None:
    (outcome,) = infer_batch([decoded(0, POISON)], ScriptedModel())
    assert isinstance(outcome, RejectedFrame)


def test_a_broken_device_raises() -> None:
    with pytest.raises(InferenceError):
        infer_batch([decoded(0, 10), decoded(1, 20)], ScriptedModel(broken=True))


def test_rejects_a_frame_whose_score_is_not_a_number() -> None:
    outcomes = infer_batch([decoded(0, NAN), decoded(1, 20)], ScriptedModel())
    assert [type(outcome) for outcome in outcomes] == [RejectedFrame, Prediction]


def test_rejects_a_frame_whose_novelty_score_is_not_a_number() -> None:
    outcomes = infer_batch([decoded(0, UNKNOWN), decoded(1, 20)], ScriptedModel())
    assert isinstance(outcomes[0], RejectedFrame)
    assert outcomes[0].error.reason is RejectReason.INFERENCE_FAILED
    assert outcomes[0].error.detail == "the novelty score is not a finite number"
    assert isinstance(outcomes[1], Prediction)
