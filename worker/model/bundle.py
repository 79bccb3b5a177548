"""The bundle: one ONNX file whose metadata (the manifest) contains everything that a worker needs to run it."""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from stripwatch.worker.common.described_enum import list_values
from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.contracts.events import MODEL_TASKS, ModelTask
from stripwatch.worker.contracts.model.camera_limits import CameraLimit, check_camera_limits
from stripwatch.worker.contracts.model.clean_labels import no_clean_verdict
from stripwatch.worker.contracts.model_record import (
    BoxSpec,
    Fidelity,
    NoveltyFigures,
    NoveltySpec,
    Provenance,
    ThresholdFigures,
    Validation,
    WithstoodChange,
)
from stripwatch.worker.images.bit_depth import BIT_DEPTH_MAX, BIT_DEPTH_MIN
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.model.boxes.golden_boxes import check_box_spec
from stripwatch.worker.model.onnx_checks import check_graph
from stripwatch.worker.model.onnx_metadata import CHECKSUM_KEY, NO_CHECKSUM, read_metadata, verify_checksum
from stripwatch.worker.model.reference import Reference, check_reference
from stripwatch.worker.model.trained_range import TrainedFrames, check_trained

MANIFEST_KEY = "stripwatch.contract"
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


def read_bundle(path: Path) -> Bundle:
    """Read a bundle and check it.

    It must be complete and unchanged since its export, have a valid manifest, and contain no custom operators or
    external data. Raises BundleError, which names the path, if it is not.
    """
    try:
        model = _read_file(path)
    except (OSError, ValueError) as error:
        raise BundleError(f"cannot read the bundle {path}: {getattr(error, 'strerror', error)}") from error
    try:
        manifest = decode_manifest(read_metadata(model))
        sha256 = verify_checksum(model)
        check_graph(model)
        return Bundle(path, manifest, sha256, model)
    except BundleError as error:
        raise BundleError(f"{path} is not a valid bundle: {error}") from error
    except (ValueError, ArithmeticError, LookupError, RecursionError, MemoryError) as error:  # raised by parsers
        raise BundleError(f"{path} is not a valid bundle: {type(error).__name__}: {error}") from error


def _read_file(path: Path) -> bytes:
    """Read a regular file; a pipe could block the caller forever. Raises OSError or BundleError."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not S_ISREG(os.fstat(file.fileno()).st_mode):
            raise BundleError(f"the bundle {path} is not a regular file")
        return file.read()


def decode_manifest(metadata: dict[str, str]) -> Manifest:
    """Decode the manifest in the metadata of an ONNX file. Raises BundleError if it is missing, malformed or newer."""
    text = metadata.get(MANIFEST_KEY)
    if text is None:
        raise BundleError("it is an ONNX file without a Stripwatch manifest")
    try:
        schema = msgspec.json.decode(text, type=_Schema).schema
        if schema != SCHEMA:
            raise BundleError(
                f"its manifest has schema {schema!r}, but this version reads {SCHEMA!r}; update one of the two"
            )
        manifest = msgspec.json.decode(text, type=Manifest)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BundleError(f"its manifest is malformed: {error}") from error
    _check(manifest)
    return manifest


def encode_manifest(manifest: Manifest) -> dict[str, str]:
    """Encode a manifest as ONNX metadata. The file becomes a bundle when it has its checksum (`add_checksum`)."""
    _check(manifest)
    return {MANIFEST_KEY: msgspec.json.encode(manifest).decode(), CHECKSUM_KEY: NO_CHECKSUM}


class _Schema(msgspec.Struct):
    schema: str


def _check(manifest: Manifest) -> None:
    """Check the rules that the types cannot express. Raises BundleError."""
    labels = set(manifest.labels)
    if not 1 <= len(labels) <= LABELS_MAX:
        raise BundleError(f"its manifest has {len(labels)} labels; 1 to {LABELS_MAX} are allowed")
    if len(labels) != len(manifest.labels):
        raise BundleError("its manifest has a duplicate label")
    if not all(0 < len(label) <= LABEL_CHARS_MAX and label.isprintable() for label in labels):
        raise BundleError(
            f"its manifest has a label that is empty, unprintable or longer than {LABEL_CHARS_MAX} characters"
        )
    _check_decode(manifest.decode)
    if not 0 < manifest.score_tolerance <= TOLERANCE_MAX:
        raise BundleError(
            f"its score tolerance is {manifest.score_tolerance:g}; it must be above 0 and at most {TOLERANCE_MAX}"
        )
    if manifest.clean_label is not None and manifest.clean_label not in labels:
        raise BundleError(f"its clean label {manifest.clean_label!r} is not among its labels")
    if set(manifest.thresholds) != labels:
        raise BundleError("its thresholds do not match its labels")
    if not all(0 <= threshold.unsure <= threshold.sure <= 1 for threshold in manifest.thresholds.values()):
        raise BundleError("its thresholds must satisfy 0 <= unsure <= sure <= 1")
    if not 0 < manifest.box_threshold < 1:
        raise BundleError(f"its box threshold is {manifest.box_threshold:g}; it must be between 0 and 1")
    if manifest.grid is not None and not all(step > 0 for step in manifest.grid.step_px):
        raise BundleError(f"its grid has steps {manifest.grid.step_px}; they must be above 0")
    if not TEMPERATURE_MIN <= manifest.temperature <= TEMPERATURE_MAX:
        raise BundleError(
            f"its temperature is {manifest.temperature:g}; {TEMPERATURE_MIN} to {TEMPERATURE_MAX} are allowed"
        )
    if manifest.reference is not None:
        check_reference(manifest.reference, labels)
    if manifest.trained is not None:
        check_trained(manifest.trained)
    if manifest.camera_limits is not None:
        check_camera_limits(manifest.camera_limits)
    if not manifest.golden:
        raise BundleError("it has no golden frames, so it cannot be tested")
    for frame in manifest.golden:
        if frame.label not in labels or len(frame.scores) != len(manifest.labels):
            raise BundleError(f"its golden frame {frame.name!r} does not match its labels")
    if manifest.novelty is not None:
        _check_novelty(manifest.novelty, manifest.golden)
    if manifest.boxes is not None:
        if manifest.heatmaps != "place" or manifest.grid is None:
            raise BundleError("it predicts boxes, but has no heatmaps of kind 'place' with a grid")
        check_box_spec(manifest.boxes, len(labels), len(manifest.golden))


def _check_novelty(spec: NoveltySpec, golden: list[GoldenFrame]) -> None:
    if not 0 < spec.threshold < math.inf:
        raise BundleError(f"its novelty threshold is {spec.threshold:g}; it must be a finite number above 0")
    if not 0 < spec.false_alarm_rate < 1:
        raise BundleError(f"its false-alarm rate is {spec.false_alarm_rate:g}; it must be above 0 and below 1")
    if spec.frames < 0:
        raise BundleError(f"its novelty threshold was chosen with {spec.frames} frames; the number must be 0 or more")
    if spec.measured_share is not None and not 0 <= spec.measured_share <= 1:
        raise BundleError(f"its measured share of novel frames is {spec.measured_share:g}; it must be 0 to 1")
    if not 0 < spec.tolerance < math.inf:
        raise BundleError(f"its novelty tolerance is {spec.tolerance:g}; it must be a finite number above 0")
    for frame in golden:
        if frame.novelty is None or not math.isfinite(frame.novelty):
            raise BundleError(f"its golden frame {frame.name!r} has no finite novelty score, but it has a threshold")


def _check_decode(spec: DecodeSpec) -> None:
    if not all(1 <= side <= SIDE_PX_MAX for side in (spec.height_px, spec.width_px)):
        raise BundleError(f"its decode spec has shape {spec.shape}; width and height must be 1 to {SIDE_PX_MAX}")
    if spec.bit_depth is not None and not BIT_DEPTH_MIN <= spec.bit_depth <= BIT_DEPTH_MAX:
        raise BundleError(f"its bit depth is {spec.bit_depth}; {BIT_DEPTH_MIN} to {BIT_DEPTH_MAX} are allowed")
    if spec.levels is not None and not 0 <= spec.levels.black < spec.levels.white <= 1:
        levels = f"black {spec.levels.black:g} and white {spec.levels.white:g}"
        raise BundleError(f"its levels are {levels}; they must satisfy 0 <= black < white <= 1")
