"""The validation frames of a run with their Keras scores: the reference for every check of an export."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from rich.progress import Progress

from stripwatch.export.convert.ort_cpu import Outputs
from stripwatch.export.runs.frames import read_frame, read_pixels
from stripwatch.export.runs.run_folder import Run
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.model.bundle import INPUT_NAME, GoldenFrame

Scores = NDArray[np.float32]
_BATCH = 16


@dataclass(frozen=True, slots=True)
class ScoredValidation:
    """Validation frames with their Keras scores.

    root: current data folder. keras: scores, float32 [n, labels]. novelty: novelty scores, float32 [n]; None if the run
    has no novelty detector.
    """

    run: Run
    root: Path
    keras: Scores
    novelty: Scores | None = None

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
        novelty = None if self.novelty is None else float(self.novelty[at])
        return GoldenFrame(frame.name, frame.labels[0], read_frame(self.root, frame), self.keras[at].tolist(), novelty)


def score(run: Run, root: Path, predict: Callable[[Pixels], Outputs], progress: Progress, title: str) -> Outputs:
    """Return the outputs of a model for every validation frame, by name, float32 [n, ...].

    predict: returns the outputs for a batch, uint8 [n, h, w, c]. title: of the progress bar.
    """
    frames, rows = run.split.validation, list[Outputs]()
    task = progress.add_task(title, total=len(frames))
    for at in range(0, len(frames), _BATCH):
        pixels = read_pixels(root, frames[at : at + _BATCH], run.decode)
        rows.append(predict(pixels))
        progress.advance(task, len(pixels))
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def outputs_of(session: ort.InferenceSession, names: Sequence[str]) -> Callable[[Pixels], Outputs]:
    """Return a function that computes these outputs from frames, uint8 [n, h, w, c]."""
    return lambda pixels: dict(zip(names, session.run(names, {INPUT_NAME: pixels}), strict=True))
