"""Box regressor, annotations, novelty detector and anomaly model of a run, as recorded in run.json."""

import msgspec


class BoxFacts(msgspec.Struct, frozen=True):
    """The box regressor of a run, which is stored in boxes.npz.

    threshold: see stripwatch.worker.model.boxes.cell_boxes.CellBoxDecoder. boxes: number of annotated boxes that it
    learned from. sha256: of boxes.npz.
    """

    threshold: float
    boxes: int
    sha256: str


class AnnotationFacts(msgspec.Struct, frozen=True):
    """The boxes or masks that a fit used. path: their location at that time; None if they are part of the data set."""

    path: str | None
    sha256: str
    images: int


class NoveltyFacts(msgspec.Struct, frozen=True):
    """The novelty detector of a run, which is stored in novelty.npz.

    threshold: a frame with a novelty score above it is novel. false_alarm_rate: share of known frames above the
    threshold that it was chosen for. method: short description of the score. frames: number of training frames, each
    scored by a detector that had not seen it, that the threshold was chosen on. sha256: of novelty.npz.
    validation_share: share of the validation frames above the threshold. copies: number of changed copies of each
    training frame that the detector learned from.
    """

    threshold: float
    false_alarm_rate: float
    method: str
    frames: int
    sha256: str
    validation_share: float | None = None
    copies: int = 0


class AnomalyFacts(msgspec.Struct, frozen=True):
    """The calibration of an anomaly model.

    false_alarm_rate: share of clean frames that the threshold was chosen for. frames: number of training frames, scored
    by distributions that had not seen them. false_alarms, found: share of the clean and of the other validation frames
    that the model reports; None if there are none.
    """

    method: str
    false_alarm_rate: float
    frames: int
    false_alarms: float | None = None
    found: float | None = None

    @property
    def threshold_chosen(self) -> str:
        """Return how the threshold was chosen."""
        return f"{self.false_alarm_rate:.2%} false alarms on {self.frames} clean training frames"
