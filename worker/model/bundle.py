"""The bundle: one ONNX file that says all the worker must know to run it (its contract)."""

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
TOLERANCE_MAX = 0.05  # an eight-bit model needs some; from here on golden frames would prove nothing


class Threshold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A score at or above `sure` settles the label; from `unsure` up to there a person should look."""

    sure: float = 0.5
    unsure: float = 0.5


class ClassFigures(msgspec.Struct, frozen=True):
    """How one label did on the validation frames: ratios between 0 and 1, and the number of frames with it."""

    precision: float
    recall: float
    f1: float
    frames: int


class ThresholdFigures(msgspec.Struct, frozen=True):
    """Precision and recall of calling a label from its thresholds on, measured with this file on validation frames.

    In multiclass a frame can be called its best label alone. 0 for 0 / 0.
    """

    sure_precision: float
    sure_recall: float
    unsure_precision: float
    unsure_recall: float


class Bin(msgspec.Struct, frozen=True):
    """Answers of about the same confidence: how many, how sure on average, and what share of them is right."""

    answers: int
    confidence: float
    accuracy: float


class Validation(msgspec.Struct, frozen=True):
    """Measured by Keras on frames that took no part in fitting.

    macro_f1, confusion (rows are true labels, columns answers), reliability: where the run was evaluated.
    """

    frames: int
    accuracy: float
    classes: dict[str, ClassFigures]
    macro_f1: float | None = None
    confusion: list[list[int]] | None = None
    reliability: list[Bin] | None = None


class Fidelity(msgspec.Struct, frozen=True):
    """What the file computes beside what Keras computed, on every validation frame, on the CPU that exported it.

    agreement: share of frames with the same answer. score_difference: the largest of any score. scheme: what was done
    to reach the precision.
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
    """Where the model comes from. versions: library name to version; data_sha256 covers names, bytes and labels."""

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
    """A real frame, still encoded, and what Keras said of it. scores: one a label, in the order of the labels."""

    name: str
    label: str
    encoded: bytes
    scores: list[float]


class CellGrid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the places of a heatmap look: the centre of the first one and the step to the next, in pixels of the input.

    Both are (down, across); pixel centres are whole numbers.
    """

    first_px: tuple[float, float]
    step_px: tuple[float, float]


class Manifest(msgspec.Struct, frozen=True):
    """What a bundle says of itself. Later versions may add fields; a reader of this one passes over them.

    grid, box_threshold: how heatmaps become boxes (worker.boxes); without a grid there are none. temperature: what the
    logits are divided by for the scores that events report; thresholds are of those, golden scores of the plain ones.
    reference: what drift is measured against. trained: the sizes and the scale of the training frames. Older bundles
    have neither. threshold_figures: a label; older bundles have none.
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
        """What newer bundles have and this one does not, with what it costs."""
        costs = {
            "reference": (self.reference, "drift is not measured"),
            "trained": (self.trained, "frames of untrained sizes are not noticed"),
        }
        return [f"{name}: {cost}" for name, (value, cost) in costs.items() if value is None]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified model file in memory: what runs is what was checked, even if the file changes meanwhile."""

    path: Path
    manifest: Manifest
    sha256: str
    model: bytes


def read_bundle(path: Path) -> Bundle:
    """Read and check a bundle: complete, unchanged since its export, sound in its contract, and no more than a graph.

    Raises BundleError, with the path, for anything else.
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
        raise BundleError(f"{path} is no usable bundle: {error}") from error
    except (ValueError, ArithmeticError, LookupError, RecursionError, MemoryError) as error:  # what a parser may raise
        raise BundleError(f"{path} is no usable bundle: {type(error).__name__}: {error}") from error


def _read_file(path: Path) -> bytes:
    """Of a regular file: a pipe could keep the caller waiting forever. Raises OSError or BundleError."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not S_ISREG(os.fstat(file.fileno()).st_mode):
            raise BundleError(f"the bundle {path} is not a regular file")
        return file.read()


def decode_manifest(metadata: dict[str, str]) -> Manifest:
    """The contract in an ONNX file's metadata. Raises BundleError if there is none, or it is malformed or newer."""
    text = metadata.get(MANIFEST_KEY)
    if text is None:
        raise BundleError("it is an ONNX file without a Stripwatch contract")
    try:
        schema = msgspec.json.decode(text, type=_Schema).schema
        if schema != SCHEMA:
            raise BundleError(f"its contract is {schema!r}; this version reads {SCHEMA!r}, so update one of the two")
        manifest = msgspec.json.decode(text, type=Manifest)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BundleError(f"its contract is malformed: {error}") from error
    _check(manifest)
    return manifest


def encode_manifest(manifest: Manifest) -> dict[str, str]:
    """The metadata that turns an ONNX file into a bundle, once it has its checksum (`onnx_metadata.add_checksum`)."""
    _check(manifest)
    return {MANIFEST_KEY: msgspec.json.encode(manifest).decode(), CHECKSUM_KEY: NO_CHECKSUM}


class _Schema(msgspec.Struct):
    schema: str


def _check(manifest: Manifest) -> None:
    """What the types alone cannot say."""
    labels = set(manifest.labels)
    if not 1 <= len(labels) <= LABELS_MAX:
        raise BundleError(f"its contract has {len(labels)} labels; 1 to {LABELS_MAX} are allowed")
    if len(labels) != len(manifest.labels):
        raise BundleError("its contract names a label twice")
    if not all(0 < len(label) <= LABEL_CHARS_MAX and label.isprintable() for label in labels):
        raise BundleError(f"its contract has a label that is empty, unprintable or over {LABEL_CHARS_MAX} characters")
    _check_decode(manifest.decode)
    if not 0 < manifest.score_tolerance <= TOLERANCE_MAX:
        raise BundleError(f"its score tolerance is {manifest.score_tolerance:g}; it must be in 0 to {TOLERANCE_MAX}")
    if manifest.clean_label is not None and manifest.clean_label not in labels:
        raise BundleError(f"its clean label {manifest.clean_label!r} is not among its labels")
    if set(manifest.thresholds) != labels:
        raise BundleError("its thresholds are not those of its labels")
    if not all(0 <= threshold.unsure <= threshold.sure <= 1 for threshold in manifest.thresholds.values()):
        raise BundleError("its thresholds are not in order: 0 <= unsure <= sure <= 1")
    if not 0 < manifest.box_threshold < 1:
        raise BundleError(f"its box threshold is {manifest.box_threshold:g}; it must lie between 0 and 1")
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
        raise BundleError("it has no golden frames, so nothing shows that it still computes what was trained")
    for frame in manifest.golden:
        if frame.label not in labels or len(frame.scores) != len(manifest.labels):
            raise BundleError(f"its golden frame {frame.name!r} does not fit its labels")


def _check_decode(spec: DecodeSpec) -> None:
    if not all(1 <= side <= SIDE_PX_MAX for side in (spec.height_px, spec.width_px)):
        raise BundleError(f"its decode spec says {spec.shape}; a side has 1 to {SIDE_PX_MAX} pixels")
    if spec.bit_depth is not None and not BIT_DEPTH_MIN <= spec.bit_depth <= BIT_DEPTH_MAX:
        raise BundleError(f"its bit depth is {spec.bit_depth}; {BIT_DEPTH_MIN} to {BIT_DEPTH_MAX} are allowed")
    if spec.levels is not None and not 0 <= spec.levels.black < spec.levels.white <= 1:
        levels = f"black {spec.levels.black:g} and white {spec.levels.white:g}"
        raise BundleError(f"its levels are {levels}; they must be in order: 0 <= black < white <= 1")
