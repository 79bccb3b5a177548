"""Runs a batch of decoded frames through the model. A frame on which the model fails does not affect the others."""

import time
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from prometheus_client import Counter

from stripwatch.worker.common.errors import FrameRejected, InferenceError, RejectReason
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.model.inspection import valid_novelty, valid_scores
from stripwatch.worker.model.session import Output
from stripwatch.worker.pipeline.consume.memory_shortage import retry_on_memory_error
from stripwatch.worker.pipeline.inspect.outcomes import Decoded, DecodedFrame, FrameOutcome, Prediction, RejectedFrame


class Predictor(Protocol):
    """A session that runs a model.

    predict: map images, uint8 [n, height, width, channels], to scores, heatmaps and novelty. Raises InferenceError.
    """

    def predict(self, frames: Pixels) -> Output: ...


def infer_batch(
    batch: Sequence[DecodedFrame], predictor: Predictor, shortages: Counter | None = None
) -> list[FrameOutcome]:
    """Return the outcome of each frame, in order. Skipped and rejected frames pass through.

    If the batch fails, each frame is run alone. Raises InferenceError if the model also fails on a blank image, since
    then the device is at fault and not a frame. Raises MemoryShortageError if memory does not even suffice for one
    frame. shortages: counts each shortage.
    """
    decoded = [item for item in batch if isinstance(item, Decoded)]
    predicted = iter(_infer_decoded(decoded, predictor, shortages) if decoded else ())
    return [next(predicted) if isinstance(item, Decoded) else item for item in batch]


def _infer_decoded(decoded: list[Decoded], predictor: Predictor, shortages: Counter | None) -> list[FrameOutcome]:
    started_s = time.monotonic()
    try:
        frames = _stack([item.image.pixels for item in decoded])
        output = predictor.predict(frames)
    except MemoryError:
        if shortages is not None:
            shortages.inc()
        return [_infer_patiently(item, predictor, shortages) for item in decoded]
    except InferenceError:
        return [_infer_patiently(item, predictor, shortages) for item in decoded]
    inference_s = time.monotonic() - started_s
    return [_outcome(item, output, at, started_s, inference_s) for at, item in enumerate(decoded)]


def _stack(images: list[Pixels]) -> Pixels:
    """Return one array of all images. A single image is not copied; copying 8 costs less than 1 % of running them."""
    return images[0][np.newaxis] if len(images) == 1 else np.stack(images)


def _infer_patiently(item: Decoded, predictor: Predictor, shortages: Counter | None) -> FrameOutcome:
    return retry_on_memory_error(lambda: _infer_alone(item, predictor), "running the model on one frame", shortages)


def _infer_alone(item: Decoded, predictor: Predictor) -> FrameOutcome:
    """Run one frame. Raises MemoryError, and InferenceError if the model also fails on a blank image."""
    started_s = time.monotonic()
    frames = item.image.pixels[np.newaxis]
    try:
        output = predictor.predict(frames)
    except InferenceError as error:
        predictor.predict(np.zeros_like(frames))
        return RejectedFrame(item.frame, item.model, FrameRejected(RejectReason.INFERENCE_FAILED, str(error)))
    return _outcome(item, output, 0, started_s, time.monotonic() - started_s)


def _outcome(item: Decoded, output: Output, at: int, started_s: float, inference_s: float) -> FrameOutcome:
    try:
        scores, novelty = valid_scores(output.scores[at]), valid_novelty(output.novelty, at)
    except FrameRejected as error:
        return RejectedFrame(item.frame, item.model, error)
    return Prediction(
        frame=item.frame,
        model=item.model,
        width_px=item.image.width_px,
        height_px=item.image.height_px,
        scores=scores,
        decode_s=item.decode_s,
        queue_s=max(0.0, started_s - item.finished_s),
        inference_s=inference_s,
        heatmaps=None if output.heatmaps is None else output.heatmaps[at],
        flags=item.image.flags,
        statistics=item.statistics,
        colour=item.colour,
        novelty=novelty,
        cell_boxes=None if output.cell_boxes is None else output.cell_boxes[at],
    )
