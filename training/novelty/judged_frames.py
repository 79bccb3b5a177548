"""Frames judged by novelty detectors that have not seen them, and the figures computed from them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from stripwatch.export.reporting.confidence_intervals import share_interval
from stripwatch.export.results.novelty_results import LeftOutClass, MissedFrame, UnknownFrames
from stripwatch.export.runs.run_folder import SplitFrame
from stripwatch.worker.contracts.model.model_record import DetectedShare

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class JudgedFrames:
    """Frames with their novelty and their most probable label.

    frames: [n]. margins: float32 [n], novelty score minus the threshold of the same detector; a frame is novel above 0.
    Detectors of several folds have scores on different scales, but all thresholds were chosen by one rule. predicted:
    [n], the label with the highest score. confidence: float32 [n], this score.
    """

    frames: list[SplitFrame]
    margins: Floats
    predicted: list[str]
    confidence: Floats

    @classmethod
    def of(
        cls, frames: Sequence[SplitFrame], novelty: Floats, threshold: float, scores: Floats, labels: Sequence[str]
    ) -> "JudgedFrames":
        """Return frames with their scores. novelty: [n]. scores: [n, labels]."""
        best = scores.argmax(axis=1) if len(frames) else np.zeros(0, int)
        margins = np.asarray(novelty - np.float32(threshold), np.float32)
        confidence = np.asarray(scores[np.arange(len(frames)), best], np.float32)
        return cls(list(frames), margins, [labels[at] for at in best], confidence)

    def __add__(self, other: "JudgedFrames") -> "JudgedFrames":
        return JudgedFrames(
            self.frames + other.frames,
            np.concatenate([self.margins, other.margins]),
            self.predicted + other.predicted,
            np.concatenate([self.confidence, other.confidence]),
        )

    @property
    def novel(self) -> NDArray[np.bool_]:
        """Return flags, [n], that mark the frames above the threshold."""
        return np.asarray(self.margins > 0)

    @property
    def missed(self) -> list[MissedFrame]:
        """Return the frames at or below the threshold, the most confident prediction first."""
        order = np.lexsort((self.margins, -self.confidence))
        return [self._missed(at) for at in order.tolist() if self.margins[at] <= 0]

    def _missed(self, at: int) -> MissedFrame:
        frame, score, margin = self.frames[at], float(self.confidence[at]), float(self.margins[at])
        return MissedFrame(frame.name, frame.label, self.predicted[at], score, margin)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A class that was left out of a fit.

    unknown: its frames. known: held-out frames of the other classes. thresholds: of the detectors that judged them.
    """

    unknown: JudgedFrames
    known: JudgedFrames
    thresholds: list[float]

    def __add__(self, other: "LeftOut") -> "LeftOut":
        return LeftOut(self.unknown + other.unknown, self.known + other.known, self.thresholds + other.thresholds)

    def result(self, counted: bool) -> LeftOutClass:
        """Return the figures. counted: whether the class is part of mean and minimum."""
        unknown = unknown_frames(self.unknown, self.known)
        return LeftOutClass(unknown, detected_share(self.known), self.thresholds, counted)


def mean_of_detectors(judged: Sequence[JudgedFrames]) -> JudgedFrames:
    """Combine the results of several models for the same frames, for example of all folds for unknown images.

    Margins are averaged, so a frame is novel if it is so on average. The prediction is the most confident one.
    """
    confidence = np.stack([each.confidence for each in judged])
    best = confidence.argmax(axis=0)
    predicted = [judged[model].predicted[at] for at, model in enumerate(best.tolist())]
    margins = np.stack([each.margins for each in judged]).mean(axis=0)
    return JudgedFrames(judged[0].frames, margins, predicted, confidence.max(axis=0))


def unknown_frames(unknown: JudgedFrames, known: JudgedFrames) -> UnknownFrames:
    """Return the figures of frames that the model does not know. known: held-out frames of known classes."""
    median = float(np.median(unknown.margins)) if unknown.frames else None
    return UnknownFrames(detected_share(unknown), auroc(unknown, known), median, unknown.missed)


def detected_share(judged: JudgedFrames) -> DetectedShare:
    """Return the share of novel frames with its 95 % Wilson interval; 0 to 1 without frames."""
    frames, detected = len(judged.frames), int(judged.novel.sum())
    if not frames:
        return DetectedShare(0, 0, 0.0, 1.0)
    interval = share_interval(detected, frames)
    return DetectedShare(frames, detected, interval.low, interval.high)


def auroc(unknown: JudgedFrames, known: JudgedFrames) -> float | None:
    """Return the area under the ROC curve of margins, 0 to 1, or None without frames of one kind."""
    if not (unknown.frames and known.frames):
        return None
    truth = np.repeat([1, 0], [len(unknown.frames), len(known.frames)])
    return float(roc_auc_score(truth, np.concatenate([unknown.margins, known.margins])))
