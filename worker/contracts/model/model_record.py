"""Records about a model that its bundle keeps: evaluation, comparison with Keras, and origin.

The description of a field is part of the reference. Ratios are 0 to 1.
"""

from typing import Annotated

import msgspec
from msgspec import Meta


class ClassFigures(msgspec.Struct, frozen=True):
    """Metrics of one label on the validation frames. 0 / 0 counts as 0."""

    precision: Annotated[float, Meta(description="Share of correct predictions among those of the label, 0 to 1.")]
    recall: Annotated[float, Meta(description="Share of the label's frames that were predicted as it, 0 to 1.")]
    f1: Annotated[float, Meta(description="F1 of the label, 0 to 1.")]
    frames: Annotated[int, Meta(description="Number of validation frames with the label.")]


class ThresholdFigures(msgspec.Struct, frozen=True):
    """Precision and recall of a label at its thresholds, measured with the bundle on validation frames.

    In a multiclass task only the best label of a frame counts. 0 / 0 counts as 0.
    """

    sure_precision: Annotated[float, Meta(description="Precision at the threshold `sure`, 0 to 1.")]
    sure_recall: Annotated[float, Meta(description="Recall at the threshold `sure`, 0 to 1.")]
    unsure_precision: Annotated[float, Meta(description="Precision at the threshold `unsure`, 0 to 1.")]
    unsure_recall: Annotated[float, Meta(description="Recall at the threshold `unsure`, 0 to 1.")]


class Bin(msgspec.Struct, frozen=True):
    """Bin of a reliability diagram."""

    answers: Annotated[int, Meta(description="Number of predictions in the bin.")]
    confidence: Annotated[float, Meta(description="Mean confidence of the predictions, 0 to 1.")]
    accuracy: Annotated[float, Meta(description="Share of the predictions that are correct, 0 to 1.")]


class Validation(msgspec.Struct, frozen=True):
    """Evaluation by Keras on frames that were not used for fitting."""

    frames: Annotated[int, Meta(description="Number of validation frames.")]
    accuracy: Annotated[float, Meta(description="Share of frames whose labels were all predicted correctly, 0 to 1.")]
    classes: Annotated[dict[str, ClassFigures], Meta(description="Metrics of each label, by label.")]
    macro_f1: Annotated[
        float | None,
        Meta(description="Macro-averaged F1, 0 to 1; null if the run was not evaluated on these frames."),
    ] = None
    confusion: Annotated[
        list[list[int]] | None,
        Meta(
            description="Confusion matrix in number of frames. Rows are true labels, columns are predicted labels, "
            "both in the order of `labels`. Null if the run was not evaluated, and with more than 50 labels."
        ),
    ] = None
    reliability: Annotated[
        list[Bin] | None,
        Meta(
            description="Reliability diagram of the scores before calibration: bins of equal width, without empty "
            "bins. Null if the run was not evaluated."
        ),
    ] = None


class NoveltyFidelity(msgspec.Struct, frozen=True):
    """Comparison of the novelty scores with those of the Keras model on all validation frames."""

    agreement: Annotated[
        float, Meta(description="Share of frames that both or neither call novel at the threshold, 0 to 1.")
    ]
    share: Annotated[float, Meta(description="Share of frames that the bundle calls novel, 0 to 1.")]
    keras_share: Annotated[float, Meta(description="Share of frames that the Keras model calls novel, 0 to 1.")]
    difference: Annotated[
        float,
        Meta(
            description="Largest difference of a novelty score, in the unit of half the distance between the 16th and "
            "84th percentiles of the Keras scores, which is their standard deviation if they are normally distributed."
        ),
    ]


class BoxFidelity(msgspec.Struct, frozen=True):
    """Comparison of the best predicted box of each validation frame with that of the Keras model."""

    agreement: Annotated[
        float, Meta(description="Share of frames whose best box overlaps that of Keras by half or more, 0 to 1.")
    ]
    overlap: Annotated[
        float, Meta(description="Mean intersection over union of the best box with that of Keras, 0 to 1.")
    ]


class GoldenBox(msgspec.Struct, frozen=True):
    """The box that Keras predicted in the best cell of a golden frame, for its best label with a location."""

    row: Annotated[int, Meta(description="Number of the row of the cell, counted from 0.")]
    column: Annotated[int, Meta(description="Number of the column of the cell, counted from 0.")]
    label_index: Annotated[int, Meta(description="Number of the label in `labels`, counted from 0.")]
    corners_px: Annotated[
        tuple[float, float, float, float],
        Meta(description="Left, top, right and bottom edge, in pixels of the model input."),
    ]
    quality: Annotated[float, Meta(description="Expected overlap of the box with the defect, 0 to 1.")]


class BoxSpec(msgspec.Struct, frozen=True):
    """How the boxes that a bundle predicts for each cell are used and verified."""

    threshold: Annotated[
        float,
        Meta(
            description="Score of a cell times the quality of its box, between 0 and 1, from which a box is reported. "
            "If no cell reaches it, the best one gives the only box."
        ),
    ]
    tolerance_px: Annotated[
        float,
        Meta(
            description="Largest difference from an edge of a golden box that the self-test accepts, above 0, in "
            "pixels of the model input."
        ),
    ]
    quality_tolerance: Annotated[
        float, Meta(description="Largest difference of the quality of a golden box that the self-test accepts, 0 to 1.")
    ]
    golden: Annotated[
        list[GoldenBox], Meta(description="One box for each golden frame, in the order of the golden frames.")
    ]


class DetectedShare(msgspec.Struct, frozen=True):
    """Frames above the threshold of the novelty score, among frames of one kind."""

    frames: Annotated[int, Meta(description="Number of frames of this kind.")]
    detected: Annotated[int, Meta(description="Number of those above the threshold.")]
    low: Annotated[float, Meta(description="Lower limit of the share, 95 % Wilson interval, 0 to 1.")]
    high: Annotated[float, Meta(description="Upper limit of the share, 95 % Wilson interval, 0 to 1.")]

    @property
    def share(self) -> float:
        """Return the share of the frames that are above the threshold, 0 to 1; 0 without frames."""
        return self.detected / self.frames if self.frames else 0.0


class NoveltyFigures(msgspec.Struct, frozen=True):
    """Evaluation of the novelty score by Keras."""

    false_alarms: Annotated[
        DetectedShare, Meta(description="Validation frames above the threshold of the run: false alarms.")
    ]
    left_out: Annotated[
        dict[str, DetectedShare],
        Meta(
            description="Frames of a class that were detected as novel by a model that was fitted without this class, "
            "by class. Empty if this was not measured."
        ),
    ]
    left_out_mean: Annotated[
        float | None,
        Meta(description="Mean share over the classes without the clean label, 0 to 1; null if not measured."),
    ] = None
    notes: Annotated[list[str], Meta(description="Limits of these figures.")] = []


class WithstoodChange(msgspec.Struct, frozen=True):
    """Strengths of a change of the frames up to which the model is reliable, measured by Keras."""

    unit: Annotated[str, Meta(description="What the strength states; empty for a change without a strength.")]
    reliable_to: Annotated[
        float | None,
        Meta(
            description="Last strength before the model stops being reliable, in the unit of the strength; null if it "
            "fails at the mildest one."
        ),
    ]
    fails_at: Annotated[
        float | None,
        Meta(
            description="First strength at which the model is not reliable, in the unit of the strength; null if it "
            "withstands all of them."
        ),
    ]


class Fidelity(msgspec.Struct, frozen=True):
    """Comparison of the bundle with the Keras model on all validation frames, on the CPU that exported it."""

    frames: Annotated[int, Meta(description="Number of validation frames.")]
    agreement: Annotated[float, Meta(description="Share of frames with the same predicted labels, 0 to 1.")]
    score_difference: Annotated[float, Meta(description="Largest difference of any score, 0 to 1.")]
    accuracy: Annotated[float, Meta(description="Accuracy of the bundle, 0 to 1.")]
    macro_f1: Annotated[float, Meta(description="Macro-averaged F1 of the bundle, 0 to 1.")]
    keras_accuracy: Annotated[float, Meta(description="Accuracy of the Keras model, 0 to 1.")]
    keras_macro_f1: Annotated[float, Meta(description="Macro-averaged F1 of the Keras model, 0 to 1.")]
    scheme: Annotated[str, Meta(description="Method that was used to reach the precision, such as `float32`.")]
    novelty: Annotated[
        NoveltyFidelity | None,
        Meta(description="Comparison of the novelty scores; null in bundles without a novelty score."),
    ] = None
    boxes: Annotated[
        BoxFidelity | None,
        Meta(description="Comparison of the predicted boxes; null in bundles that do not predict boxes."),
    ] = None


class Provenance(msgspec.Struct, frozen=True):
    """Origin of a model."""

    run_id: Annotated[str, Meta(description="Id of the run that was exported.")]
    created_at: Annotated[str, Meta(description="Time at which the run was saved, RFC 3339 in UTC.")]
    network: Annotated[str, Meta(description="Backbone, its width if it is not 1, and the layer where it was cut.")]
    weights: Annotated[
        str, Meta(description="Weights at the start of the run: `imagenet`, `none`, or the name of a file.")
    ]
    data: Annotated[str, Meta(description="Name of the data folder, without its path.")]
    data_sha256: Annotated[str, Meta(description="SHA-256 of the names, bytes and labels of the data, hexadecimal.")]
    seed: Annotated[int, Meta(description="Seed of the run's random numbers.")]
    versions: Annotated[
        dict[str, str], Meta(description="Versions of Python, Stripwatch and the libraries of training and export.")
    ]
    commit: Annotated[
        str | None,
        Meta(
            description="Git commit of the code that trained the model, with `-dirty` if tracked files were modified; "
            "null outside a checkout."
        ),
    ] = None


class NoveltySpec(msgspec.Struct, frozen=True):
    """The novelty score of a bundle, and the threshold above which a frame is novel."""

    threshold: Annotated[
        float, Meta(description="Value above which a frame is novel, in the unit of the output `novelty`, above 0.")
    ]
    false_alarm_rate: Annotated[
        float,
        Meta(description="Share of frames of the known kind, above 0 and below 1, for which the threshold was chosen."),
    ]
    method: Annotated[str, Meta(description="How the score is computed, in a few words.")]
    frames: Annotated[
        int,
        Meta(
            description="Number of training frames that chose the threshold, each scored by a detector that was fitted "
            "without it."
        ),
    ]
    tolerance: Annotated[
        float,
        Meta(description="Largest difference from the golden novelty scores that the self-test accepts, above 0."),
    ]
    measured_share: Annotated[
        float | None,
        Meta(
            description="Share of the validation frames above the threshold, 0 to 1, measured with the bundle; null if "
            "it was not measured."
        ),
    ] = None

    @property
    def expected_share(self) -> float:
        """Share of frames of the known kind that are called novel: as aimed for, or as measured if that is more."""
        return max(self.false_alarm_rate, self.measured_share or 0.0)
