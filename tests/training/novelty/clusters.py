"""Points in well separated or identical clusters, and a detector for them whose answers are known."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stripwatch.export.runs.run_folder import SplitFrame
from stripwatch.training.novelty.judged_frames import Floats
from stripwatch.training.novelty.leave_one_out import KnownFrames, Rows

LABELS = ("a", "b", "c")
A_LABEL = 40


def known_frames(labels: tuple[str, ...] = LABELS, held_share: float = 0.25) -> KnownFrames:
    """Frames with one label each; the last ones of each label are held out."""
    truth = np.repeat(np.arange(len(labels)), A_LABEL)
    held = np.arange(len(truth)) % A_LABEL >= A_LABEL * (1 - held_share)
    frames = [SplitFrame(f"{labels[at]}_{number}.png", labels[at], "") for number, at in enumerate(truth)]
    targets = np.eye(len(labels), dtype=np.float32)[truth]
    return KnownFrames(labels, frames, targets, np.flatnonzero(~held), np.flatnonzero(held))


def points(known: KnownFrames, distance: float) -> NDArray[np.float32]:
    """One point per frame, float32 [n, 2]. distance: between the centres of neighbouring labels."""
    angles = 2 * np.pi * np.arange(len(known.labels)) / len(known.labels)
    centres = distance * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    noise = np.random.default_rng(3).normal(0, 1, (len(known.frames), 2))
    return np.asarray(known.targets @ centres + noise, np.float32)


@dataclass(frozen=True)
class CentreDetector:
    """Novelty is the distance to the nearest centre; the threshold is the largest one of a training frame."""

    at: NDArray[np.float32]
    centres: NDArray[np.float32]
    threshold: float

    @classmethod
    def fit(cls, known: KnownFrames, at: NDArray[np.float32], train: Rows, labels: Rows) -> "CentreDetector":
        centres = np.stack([at[train[known.targets[train, label] > 0]].mean(axis=0) for label in labels])
        return cls(at, centres, float(distances(at[train], centres).min(axis=1).max()))

    def judge(self, rows: Rows) -> tuple[Floats, Floats]:
        found = distances(self.at[rows], self.centres)
        near = np.exp(-found)
        return near / near.sum(axis=1, keepdims=True), found.min(axis=1)


def distances(at: NDArray[np.float32], centres: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.linalg.norm(at[:, None] - centres[None], axis=2), np.float32)
