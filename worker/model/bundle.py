"""The bundle: one ONNX file whose metadata (the manifest) contains everything that a worker needs to run it."""

import os
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Literal

import msgspec

from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.images.bit_depth import BIT_DEPTH_MAX, BIT_DEPTH_MIN
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.model.onnx_checks import check_graph
from stripwatch.worker.model.onnx_metadata import CHECKSUM_KEY, NO_CHECKSUM, read_metadata, verify_checksum
from stripwatch.worker.model.reference import Reference, check_reference
from stripwatch.worker.model.trained_range import TrainedFrames, check_trained

MANIFEST_KEY = "stripwatch.contract"
SCHEMA = "stripwatch.bundle/1"
INPUT_NAME = "frames"
SCORES_NAME = "scores"
HEATMAPS_NAME = "heatmaps"
LABELS_MAX, LABEL_CHARS_MAX = 1000, 200
SIDE_PX_MAX = 8192
TEMPERATURE_MIN, TEMPERATURE_MAX = 0.2, 5.0
HeatmapKind = Literal["activation", "place"]
Precision = Literal["fp32", "fp16", "int8"]
TOLERANCE_MAX = 0.05  # int8 models need some tolerance; with more, the self-test would be meaningless


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Thresholds of a label: at or above `sure` the label is certain; from `unsure` to `sure` the frame is unsure."""

    sure: float = 0.5
    unsure: float = 0.5


class ClassFigures(msgspec.Struct, frozen=True):
    """Scores of one label on the validation frames: ratios from 0 to 1, and the number of frames with the label."""

    precision: float
    recall: float
    f1: float
    frames: int


class ThresholdFigures(msgspec.Struct, frozen=True):
    """Precision and recall of a label at its thresholds, measured with the bundle on validation frames.

    In a multiclass task only the best label of a frame counts. 0 / 0 counts as 0.
    """

    sure_precision: float
    sure_recall: float
    unsure_precision: float
    unsure_recall: float


class Bin(msgspec.Struct, frozen=True):
    """Bin of a reliability diagram: number of predictions, their mean confidence and their accuracy."""

    answers: int
    confidence: float
    accuracy: float


class Validation(msgspec.Struct, frozen=True):
    """Evaluation by Keras on frames that were not used for fitting.

    macro_f1, confusion (rows: true labels, columns: predicted labels) and reliability are None if the run was not
    evaluated.
    """

    frames: int
    accuracy: float
    classes: dict[str, ClassFigures]
    macro_f1: float | None = None
    confusion: list[list[int]] | None = None
    reliability: list[Bin] | None = None


class Fidelity(msgspec.Struct, frozen=True):
    """Comparison of the bundle with the Keras model on all validation frames, on the CPU that exported it.

    Attributes:
        frames: Number of validation frames.
        agreement: Share of frames with the same predicted label.
        score_difference: Largest difference of any score.
        accuracy: Accuracy of the bundle.
        macro_f1: Macro-averaged F1 of the bundle.
        keras_accuracy: Accuracy of the Keras model.
        keras_macro_f1: Macro-averaged F1 of the Keras model.
        scheme: Method used to reach the precision.
    """

    frames: int
    agreement: float
    score_difference: float
    accuracy: float
    macro_f1: float
    keras_accuracy: float
    keras_macro_f1: float
    scheme: str


class Provenance(msgspec.Struct, frozen=True):
    """Origin of a model. versions: library name to version. data_sha256 covers names, bytes and labels of the data."""

    run_id: str
    created_at: str
    network: str
    weights: str
    data: str
    data_sha256: str
    seed: int
    versions: dict[str, str]
    commit: str | None = None


class GoldenFrame(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A real, encoded frame with the scores that Keras gave for it, one per label in the order of the labels."""

    name: str
    label: str
    encoded: bytes
    scores: list[float]


class CellGrid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Geometry of heatmap cells: centre of the first cell and step between cells, in pixels of the model input.

    Both are (down, across); pixel centres have integer coordinates.
    """

    first_px: tuple[float, float]
    step_px: tuple[float, float]


class Manifest(msgspec.Struct, frozen=True):
    """Metadata of a bundle. Later versions may add fields; readers of this version ignore them.

    Attributes:
        schema: Version of the manifest format.
        name: Name of the model.
        version: Version of the model.
        task: "multiclass" if labels exclude each other, else "multilabel".
        labels: Labels in the order of the scores.
        clean_label: Label that means "no defect"; None if there is none.
        thresholds: Thresholds per label; they apply to calibrated scores.
        thresholds_chosen: How the thresholds were chosen.
        decode: Decoding of the frames.
        heatmaps: Kind of the heatmap output; None without heatmaps.
        precision: Numeric precision of the graph.
        opset: ONNX opset.
        score_tolerance: Maximum difference to the golden scores in the self-test.
        provenance: Origin of the model.
        validation: Evaluation on validation frames.
        golden: Golden frames; their scores are not calibrated.
        grid: Geometry of the heatmap cells; without it there are no boxes.
        box_threshold: Threshold that turns heatmaps into boxes, see `HeatmapDecoder`.
        temperature: Divisor of the logits that calibrates the scores reported in events.
        fidelity: Comparison with the Keras model; None in older bundles.
        reference: Statistics against which drift is measured; None in older bundles.
        trained: Sizes and scale of the training frames; None in older bundles.
        threshold_figures: Precision and recall per label at its thresholds; None in older bundles.
    """

    schema: str
    name: str
    version: str
    task: Literal["multiclass", "multilabel"]
    labels: list[str]
    clean_label: str | None
    thresholds: dict[str, Threshold]
    thresholds_chosen: str
    decode: DecodeSpec
    heatmaps: HeatmapKind | None
    precision: Precision
    opset: int
    score_tolerance: float
    provenance: Provenance
    validation: Validation
    golden: list[GoldenFrame]
    grid: CellGrid | None = None
    box_threshold: float = 0.5
    temperature: float = 1.0
    fidelity: Fidelity | None = None
    reference: Reference | None = None
    trained: TrainedFrames | None = None
    threshold_figures: dict[str, ThresholdFigures] | None = None

    @property
    def lacks(self) -> list[str]:
        """Parts that newer bundles have and this one lacks, each with the consequence."""
        costs = {
            "reference": (self.reference, "drift is not measured"),
            "trained": (self.trained, "frames of untrained sizes are not detected"),
        }
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
    if not manifest.golden:
        raise BundleError("it has no golden frames, so it cannot be tested")
    for frame in manifest.golden:
        if frame.label not in labels or len(frame.scores) != len(manifest.labels):
            raise BundleError(f"its golden frame {frame.name!r} does not match its labels")


def _check_decode(spec: DecodeSpec) -> None:
    if not all(1 <= side <= SIDE_PX_MAX for side in (spec.height_px, spec.width_px)):
        raise BundleError(f"its decode spec has shape {spec.shape}; width and height must be 1 to {SIDE_PX_MAX}")
    if spec.bit_depth is not None and not BIT_DEPTH_MIN <= spec.bit_depth <= BIT_DEPTH_MAX:
        raise BundleError(f"its bit depth is {spec.bit_depth}; {BIT_DEPTH_MIN} to {BIT_DEPTH_MAX} are allowed")
    if spec.levels is not None and not 0 <= spec.levels.black < spec.levels.white <= 1:
        levels = f"black {spec.levels.black:g} and white {spec.levels.white:g}"
        raise BundleError(f"its levels are {levels}; they must satisfy 0 <= black < white <= 1")
