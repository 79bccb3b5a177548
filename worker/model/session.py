"""A verified ONNX Runtime session, and one run of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from queue import SimpleQueue

import numpy as np

from stripwatch.worker.common.errors import InferenceError
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.model.bundle import BOXES_NAME, HEATMAPS_NAME, INPUT_NAME, NOVELTY_NAME, SCORES_NAME, Bundle
from stripwatch.worker.model.io_binding import Floats
from stripwatch.worker.model.providers import CPU, InferenceRunner, first_line

_SPEED_GAIN_MIN = 1.05
_NO_MEMORY = re.compile(r"bad[ _]alloc|failed to allocate memory|out of memory", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class WarmedBatch:
    """Measured speed of one batch size: frames per second in the fastest of at least one timed run."""

    frames: int
    frames_per_second: float


@dataclass(frozen=True, slots=True)
class Output:
    """Output of a model for n frames, float32.

    scores: [n, labels]. heatmaps: [n, h, w, labels]; None without heatmaps. novelty: [n]; None without a novelty score.
    cell_boxes: [n, h, w, labels, 5]; None for a model that does not predict boxes.
    """

    scores: Floats
    heatmaps: Floats | None = None
    novelty: Floats | None = None
    cell_boxes: Floats | None = None

    def first(self, n: int) -> Output:
        """Return the output for the first n frames."""
        parts = (self.heatmaps, self.novelty, self.cell_boxes)
        return Output(self.scores[:n], *(None if part is None else part[:n] for part in parts))


@dataclass(slots=True)
class Session:
    """A verified, warmed-up bundle. As many threads as there may be batches in flight can call `predict` at once."""

    bundle: Bundle
    provider: str
    golden_difference: float
    batches: list[WarmedBatch]
    _free: SimpleQueue[InferenceRunner] = field(repr=False)
    device_id: int | None = None  # of the GPU; None on a CPU

    def predict(self, frames: Pixels) -> Output:
        """Run the model on frames, a uint8 array of shape [n, height, width, channels].

        On a GPU, the batch is padded to a warmed-up size, because each new shape costs a search for convolution
        algorithms and memory that is not freed (onnxruntime #709, #24376).

        Raises InferenceError, or MemoryError if the host or the device has not enough memory for the batch.
        """
        n = len(frames)
        if self.padded:
            frames = _pad(frames, next((b.frames for b in self.batches if b.frames >= n), n))
        runner = self._free.get()
        try:
            output = run_model(runner, frames, output_names(self.bundle))
        finally:
            self._free.put(runner)
        return output.first(n)

    @property
    def padded(self) -> bool:
        """Whether batches are padded to a warmed-up size."""
        return self.provider != CPU

    @property
    def best_batch_frames(self) -> int:
        """Smallest warmed-up batch size that no larger size exceeds in throughput by more than 5 %."""
        best = self.batches[0]
        for batch in self.batches:
            if batch.frames_per_second > best.frames_per_second * _SPEED_GAIN_MIN:
                best = batch
        return best.frames


def output_names(bundle: Bundle) -> list[str]:
    """Return the outputs to compute: scores, heatmaps if the geometry of their cells is known, novelty and boxes."""
    manifest = bundle.manifest
    wanted = {
        SCORES_NAME: True,
        HEATMAPS_NAME: manifest.heatmaps is not None and manifest.grid is not None,
        NOVELTY_NAME: manifest.novelty is not None,
        BOXES_NAME: manifest.boxes is not None,
    }
    return [name for name, computed in wanted.items() if computed]


def run_model(session: InferenceRunner, frames: Pixels, names: list[str]) -> Output:
    """Compute these outputs once. Raises InferenceError, or MemoryError if there is not enough memory."""
    try:
        found: list[Floats] = session.run(names, {INPUT_NAME: frames})
    except MemoryError:
        raise
    except Exception as error:  # onnxruntime raises a dozen types without a common base
        if _NO_MEMORY.search(str(error)):
            raise MemoryError(first_line(error)) from error
        raise InferenceError(f"ONNX Runtime failed on a batch of {len(frames)}: {first_line(error)}") from error
    by_name = dict(zip(names, found, strict=True))
    others = (by_name.get(name) for name in (HEATMAPS_NAME, NOVELTY_NAME, BOXES_NAME))
    return Output(by_name[SCORES_NAME], *others)


def _pad(frames: Pixels, size: int) -> Pixels:
    padded = np.zeros((size, *frames.shape[1:]), np.uint8)
    padded[: len(frames)] = frames
    return padded
