"""Schema of the results of a novelty detector, in evaluation.json and crossval.json."""

import msgspec

from stripwatch.worker.contracts.model.model_record import DetectedShare, NoveltyFigures


class MissedFrame(msgspec.Struct, frozen=True):
    """A frame that the detector should have found but did not.

    label: as in a manifest; "" in a folder of unknown images. predicted, score: the label with the highest score, and
    that score, 0 to 1. margin: novelty score minus threshold, at most 0; over several models the mean.
    """

    frame: str
    label: str
    predicted: str
    score: float
    margin: float


class UnknownFrames(msgspec.Struct, frozen=True):
    """Frames that the model does not know.

    auroc: probability that such a frame has a higher novelty score than a held-out frame of the known classes (area
    under the ROC curve); None without frames of one kind. median_margin: of novelty score minus threshold. missed: most
    confident prediction first.
    """

    detected: DetectedShare
    auroc: float | None
    median_margin: float | None
    missed: list[MissedFrame]


class LeftOutClass(msgspec.Struct, frozen=True):
    """A class that was left out of the fit, of the choice of the threshold, and of everything else.

    unknown: its frames. false_alarms: held-out frames of the other classes above the threshold. thresholds: of each
    fit. counted: false for the clean label, which mean and minimum leave out.
    """

    unknown: UnknownFrames
    false_alarms: DetectedShare
    thresholds: list[float]
    counted: bool = True


class NoveltyResults(msgspec.Struct, frozen=True):
    """What a novelty detector finds.

    thresholds: of the run, or of each fold. false_alarm_rate: the share of known frames that the thresholds were chosen
    for. false_alarms: held-out frames above the threshold. test_false_alarms: the same for other frames of known
    classes; None without them. left_out: by class; empty if this was not measured. unknown:
    by folder of unknown images. notes: limits of these figures, for people.
    """

    thresholds: list[float]
    false_alarm_rate: float
    false_alarms: DetectedShare
    left_out: dict[str, LeftOutClass]
    unknown: dict[str, UnknownFrames]
    notes: list[str]
    left_out_mean: float | None = None
    left_out_min: float | None = None
    test_false_alarms: DetectedShare | None = None

    @property
    def figures(self) -> NoveltyFigures:
        """Return the figures that a bundle keeps."""
        left_out = {label: found.unknown.detected for label, found in self.left_out.items()}
        return NoveltyFigures(self.false_alarms, left_out, self.left_out_mean, self.notes)
