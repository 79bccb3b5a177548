"""The validation frames of a run with their Keras scores: the reference for every check of an export."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from rich.progress import Progress

from stripwatch.export.runs.frames import read_frame, read_pixels
from stripwatch.export.runs.run_folder import Run
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.model.bundle import INPUT_NAME, SCORES_NAME, GoldenFrame

Scores = NDArray[np.float32]
_BATCH = 16


@dataclass(frozen=True, slots=True)
class ScoredValidation:
    """Validation frames with their Keras scores. root: current data folder. keras: scores, float32 [n, labels]."""

    run: Run
    root: Path
    keras: Scores

    @property
    def targets(self) -> NDArray[np.bool_]:
        """Return the true labels as flags, [n, labels]."""
        return np.array([[label in frame.labels for label in self.run.labels] for frame in self.run.split.validation])

    def pixels(self, positions: list[int]) -> Pixels:
        """Decode the frames at these positions: uint8 [n, h, w, c]."""
        return read_pixels(self.root, [self.run.split.validation[at] for at in positions], self.run.decode)

    def golden(self, at: int) -> GoldenFrame:
        """Return the frame at this position as a golden frame with its Keras scores."""
        frame = self.run.split.validation[at]
        return GoldenFrame(frame.name, frame.labels[0], read_frame(self.root, frame), self.keras[at].tolist())


def score(run: Run, root: Path, predict: Callable[[Pixels], Scores], progress: Progress, title: str) -> Scores:
    """Return the scores of every validation frame, float32 [n, labels].

    predict: returns the scores of a batch, uint8 [n, h, w, c]. title: of the progress bar.
    """
    frames, rows = run.split.validation, []
    task = progress.add_task(title, total=len(frames))
    for at in range(0, len(frames), _BATCH):
        pixels = read_pixels(root, frames[at : at + _BATCH], run.decode)
        rows.append(predict(pixels))
        progress.advance(task, len(pixels))
    return np.concatenate(rows)


def scores_of(session: ort.InferenceSession) -> Callable[[Pixels], Scores]:
    """Return a function that computes scores, float32 [n, labels], from frames, uint8 [n, h, w, c]."""
    return lambda pixels: np.asarray(session.run([SCORES_NAME], {INPUT_NAME: pixels})[0], np.float32)
