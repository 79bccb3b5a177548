"""The bundle: one ONNX file whose metadata (the manifest) contains everything that a worker needs to run it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from stripwatch.worker.common.described_enum import list_values
from stripwatch.worker.contracts.events import MODEL_TASKS, ModelTask
from stripwatch.worker.contracts.model.camera_limits import CameraLimit
from stripwatch.worker.contracts.model.clean_labels import no_clean_verdict
from stripwatch.worker.contracts.model.model_record import (
    BoxSpec,
    Fidelity,
    NoveltyFigures,
    NoveltySpec,
    Provenance,
    ThresholdFigures,
    Validation,
    WithstoodChange,
)
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.model.reference import Reference
from stripwatch.worker.model.trained_range import TrainedFrames

SCHEMA = "stripwatch.bundle/1"
INPUT_NAME = "frames"
SCORES_NAME = "scores"
HEATMAPS_NAME = "heatmaps"
NOVELTY_NAME = "novelty"
BOXES_NAME = "cell_boxes"
LABELS_MAX, LABEL_CHARS_MAX = 1000, 200
SIDE_PX_MAX = 8192
TEMPERATURE_MIN, TEMPERATURE_MAX = 0.2, 5.0
HeatmapKind = Literal["activation", "place"]
Precision = Literal["fp32", "fp16", "int8"]
TOLERANCE_MAX = 0.05  # int8 models need some tolerance; with more, the self-test would be meaningless


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Thresholds of a label: at or above `sure` the label is certain; from `unsure` to `sure` the frame is unsure."""

    sure: Annotated[
        float, Meta(description="Calibrated score, 0 to 1, from which a defect is reported or a frame is clean.")
    ] = 0.5
    unsure: Annotated[
        float, Meta(description="Calibrated score, 0 to 1, from which a frame is not clean; at most `sure`.")
    ] = 0.5


class GoldenFrame(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A frame with expected scores."""

    name: Annotated[str, Meta(description="Name of the image file.")]
    label: Annotated[str, Meta(description="Expected label. A multiclass bundle must predict it.")]
    encoded: Annotated[bytes, Meta(description="Bytes of the image file, base64.")]
    scores: Annotated[
        list[float],
        Meta(description="Scores that Keras gave, 0 to 1, not calibrated, one per label in the order of `labels`."),
    ]
    novelty: Annotated[
        float | None,
        Meta(description="Novelty score that Keras gave, in the unit of `novelty.threshold`; null where `novelty` is."),
    ] = None


class CellGrid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Geometry of heatmap cells. Both fields are (down, across); pixel centres have integer coordinates."""

    first_px: Annotated[
        tuple[float, float],
        Meta(description="Centre of the first cell, in pixels of the model input: down, across."),
    ]
    step_px: Annotated[
        tuple[float, float],
        Meta(description="Distance between cell centres, in pixels of the model input: down, across."),
    ]


class Manifest(msgspec.Struct, frozen=True):
    """Metadata of a bundle. Later versions may add fields; readers of this version ignore them.

    The page "Bundle format" of the reference describes the fields.
    """

    schema: Annotated[str, Meta(description=f"Version of the manifest format: `{SCHEMA}`.")]
    name: Annotated[str, Meta(description="Name of the model.")]
    version: Annotated[str, Meta(description="Version of the model.")]
    task: Annotated[
        Literal["multiclass", "multilabel"],
        Meta(description="`multiclass`: a frame has exactly one label. `multilabel`: it can have several, or none."),
    ]
    labels: Annotated[
        list[str],
        Meta(
            description=f"Labels in the order of the scores: 1 to {LABELS_MAX}, each of 1 to {LABEL_CHARS_MAX} "
            "printable characters."
        ),
    ]
    clean_label: Annotated[
        str | None, Meta(description='Label that means "no defect"; null if there is none. It is one of `labels`.')
    ]
    thresholds: Annotated[
        dict[str, Threshold],
        Meta(description="Thresholds of each label. The settings `thresholds.LABEL` override them."),
    ]
    thresholds_chosen: Annotated[
        str, Meta(description="How the thresholds were chosen, such as `best F1 on validation`, or `default`.")
    ]
    decode: Annotated[DecodeSpec, Meta(description="How a frame is decoded into the model input.")]
    heatmaps: Annotated[
        HeatmapKind | None,
        Meta(
            description="Kind of the heatmaps. `place`: score of each label per cell, 0 to 1. `activation`: class "
            "activation of each label per cell; the mean over the cells is the logit of the label. Null without "
            "heatmaps."
        ),
    ]
    precision: Annotated[Precision, Meta(description="Numeric precision of the graph.")]
    opset: Annotated[int, Meta(description="Version of the ONNX operator set that the graph uses.")]
    score_tolerance: Annotated[
        float,
        Meta(
            description="Largest difference from the golden scores that the self-test accepts, above 0 and at most "
            f"{TOLERANCE_MAX}."
        ),
    ]
    provenance: Annotated[Provenance, Meta(description="Origin of the model.")]
    validation: Annotated[Validation, Meta(description="Evaluation by Keras on frames that were not used for fitting.")]
    golden: Annotated[list[GoldenFrame], Meta(description="Golden frames for the self-test; at least one.")]
    grid: Annotated[
        CellGrid | None,
        Meta(description="Geometry of the heatmap cells; null if it is not known, for which defects have no boxes."),
    ] = None
    box_threshold: Annotated[
        float,
        Meta(
            description="Heatmap value, between 0 and 1, from which a cell belongs to a box. For `place` it applies to "
            "the value itself, for `activation` to the map scaled to 0 to 1. If no value reaches it, the box surrounds "
            "the peak."
        ),
    ] = 0.5
    temperature: Annotated[
        float,
        Meta(
            description="Divisor of the logits that calibrates the scores in events, "
            f"{TEMPERATURE_MIN:g} to {TEMPERATURE_MAX:g}. 1 leaves the scores unchanged."
        ),
    ] = 1.0
    fidelity: Annotated[
        Fidelity | None,
        Meta(description="Comparison with the Keras model on the validation frames; null in older bundles."),
    ] = None
    reference: Annotated[
        Reference | None,
        Meta(description="Drift reference; null in older bundles, for which drift is not measured."),
    ] = None
    trained: Annotated[
        TrainedFrames | None,
        Meta(
            description="Sizes and scale of the training frames; null in older bundles, for which frames of untrained "
            "sizes are not detected."
        ),
    ] = None
    threshold_figures: Annotated[
        dict[str, ThresholdFigures] | None,
        Meta(
            description="Precision and recall of each label at its thresholds, measured with the bundle on validation "
            "frames; null in older bundles."
        ),
    ] = None
    trained_for: Annotated[
        ModelTask | None,
        Meta(
            description=f"What the model was trained for, if it is not a classifier. {list_values(MODEL_TASKS)} Its "
            "labels and scores have the same meaning as in any multiclass bundle. Null for a classifier."
        ),
    ] = None
    novelty: Annotated[
        NoveltySpec | None,
        Meta(
            description="Threshold of the novelty score; null in older bundles and for models without a novelty score, "
            "for which frames unlike the training frames are not detected."
        ),
    ] = None
    novelty_figures: Annotated[
        NoveltyFigures | None,
        Meta(
            description="How many unknown frames the novelty score detects, measured by Keras; null if the run was not "
            "evaluated, for models without a novelty score, and in older bundles."
        ),
    ] = None
    withstands: Annotated[
        dict[str, WithstoodChange] | None,
        Meta(
            description="Changes of the frames that the model withstands, such as noise or blur, by name; null if that "
            "was not measured, and in older bundles."
        ),
    ] = None
    camera_limits: Annotated[
        dict[str, CameraLimit] | None,
        Meta(
            description="Camera conditions of this model: for each, the limit of an image statistic beyond which the "
            "model is not reliable; null if that was not measured, and in older bundles."
        ),
    ] = None
    boxes: Annotated[
        BoxSpec | None,
        Meta(
            description="How the boxes that the model predicts for each cell are used; null in older bundles and for "
            "models that do not predict boxes, whose boxes are the regions of the heatmaps above `box_threshold`."
        ),
    ] = None

    @property
    def no_clean_verdict(self) -> str | None:
        """Warning, with the remedy, if the model never gives the verdict clean; None if it can."""
        return no_clean_verdict(self.task, self.labels, self.clean_label)

    @property
    def lacks(self) -> list[str]:
        """Parts that newer bundles have and this one lacks, each with the consequence.

        An anomaly model needs no novelty score, because it reports every frame unlike the training frames.
        """
        costs = {
            "reference": (self.reference, "drift is not measured"),
            "trained": (self.trained, "frames of untrained sizes are not detected"),
            "novelty": (self.novelty, "frames unlike the training frames are not detected"),
            "camera_limits": (
                self.camera_limits,
                "cameras are dark, bright or blurred at fixed ratios, and noise and low contrast are not detected",
            ),
        }
        if self.trained_for == "anomaly":
            del costs["novelty"]
        return [f"{name}: {cost}" for name, (value, cost) in costs.items() if value is None]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle in memory. The model that runs is the one that was checked, even if the file changes later."""

    path: Path
    manifest: Manifest
    sha256: str
    model: bytes
