"""The validation frames of a run, and what Keras said of them: what every proof of an export is held against."""

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
    """root: where the data folder is now. keras: float32 [n, labels]."""

    run: Run
    root: Path
    keras: Scores

    @property
    def targets(self) -> NDArray[np.bool_]:
        """[n, labels]."""
        return np.array([[label in frame.labels for label in self.run.labels] for frame in self.run.split.validation])

    def pixels(self, positions: list[int]) -> Pixels:
        return read_pixels(self.root, [self.run.split.validation[at] for at in positions], self.run.decode)

    def golden(self, at: int) -> GoldenFrame:
        frame = self.run.split.validation[at]
        return GoldenFrame(frame.name, frame.labels[0], read_frame(self.root, frame), self.keras[at].tolist())


def score(run: Run, root: Path, said: Callable[[Pixels], Scores], progress: Progress, title: str) -> Scores:
    """What somebody says of every validation frame: float32 [n, labels]."""
    frames, rows = run.split.validation, []
    task = progress.add_task(title, total=len(frames))
    for at in range(0, len(frames), _BATCH):
        pixels = read_pixels(root, frames[at : at + _BATCH], run.decode)
        rows.append(said(pixels))
        progress.advance(task, len(pixels))
    return np.concatenate(rows)


def scores_of(session: ort.InferenceSession) -> Callable[[Pixels], Scores]:
    return lambda pixels: np.asarray(session.run([SCORES_NAME], {INPUT_NAME: pixels})[0], np.float32)
