"""The manifest as metadata of an ONNX file, and the rules that its types cannot express."""

import math

import msgspec

from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.contracts.model.camera_limits import check_camera_limits
from stripwatch.worker.contracts.model.model_record import NoveltySpec
from stripwatch.worker.images.bit_depth import BIT_DEPTH_MAX, BIT_DEPTH_MIN
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.model.boxes.golden_boxes import check_box_spec
from stripwatch.worker.model.bundle import (
    LABEL_CHARS_MAX,
    LABELS_MAX,
    SCHEMA,
    SIDE_PX_MAX,
    TEMPERATURE_MAX,
    TEMPERATURE_MIN,
    TOLERANCE_MAX,
    GoldenFrame,
    Manifest,
)
from stripwatch.worker.model.onnx_file.onnx_metadata import CHECKSUM_KEY, NO_CHECKSUM
from stripwatch.worker.model.reference import check_reference
from stripwatch.worker.model.trained_range import check_trained

MANIFEST_KEY = "stripwatch.contract"


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
