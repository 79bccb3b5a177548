"""Verification of a bundle that needs nothing but the file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from stripwatch.export.convert.ort_cpu import Outputs, open_cpu, run_batches
from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.images.decode import decode
from stripwatch.worker.model.bundle import HEATMAPS_NAME, SCORES_NAME, Bundle
from stripwatch.worker.model.loading.bundle_store import load_resolved, resolve_bundle
from stripwatch.worker.model.loading.open_session import open_session, verify_golden


@dataclass(frozen=True, slots=True)
class Verified:
    """A verified bundle.

    golden_difference: largest difference of a golden score. frames_per_second: on this CPU, one frame at a time.
    """

    bundle: Bundle
    golden_difference: float
    frames_per_second: float


def verify(path: Path) -> Verified:
    """Verify on the CPU that a bundle is intact and reproduces the scores of the trained model.

    Checks the checksum, the manifest, validity as an ONNX model, inputs and outputs, golden frames and heatmaps.

    Args:
        path: A bundle file, or REGISTRY/NAME for the promoted bundle of a registry.

    Returns:
        The bundle, the largest difference of a golden score (0 to 1) from Keras, and the throughput in frames per
        second for single frames.

    Raises:
        BundleError: A check failed. The message names the file.

    Example:
        >>> from pathlib import Path
        >>> from stripwatch.export import verify
        >>> verify(Path("model.onnx")).golden_difference
        3.2782554626464844e-07
    """
    bundle = load_resolved(resolve_bundle(path))
    _check_onnx(bundle)
    session = open_session(bundle, "cpu", batch_frames_max=1)  # as the worker loads it
    every_output = open_cpu(bundle.model)
    difference = verify_golden(bundle, every_output)
    if bundle.manifest.heatmaps == "activation":
        frames = np.stack([decode(frame.encoded, bundle.manifest.decode).pixels for frame in bundle.manifest.golden])
        _check_heatmaps(bundle, run_batches(every_output, frames, len(frames)))
    return Verified(bundle, difference, session.batches[0].frames_per_second)


def _check_onnx(bundle: Bundle) -> None:
    try:
        onnx.checker.check_model(bundle.model, full_check=True)
    except Exception as error:  # the checker and protobuf raise several unrelated types
        reason = str(error).strip().splitlines()[0]
        raise BundleError(f"{bundle.path} is not a valid ONNX model: {reason}") from error


def _check_heatmaps(bundle: Bundle, outputs: Outputs) -> None:
    """Raise BundleError unless applying the activation to the mean of each heatmap gives the scores."""
    if HEATMAPS_NAME not in outputs:
        raise BundleError(f"{bundle.path}: the manifest declares heatmaps, but the model has no output {HEATMAPS_NAME}")
    activate = _softmax if bundle.manifest.task == "multiclass" else _sigmoid
    difference = float(np.abs(activate(outputs[HEATMAPS_NAME].mean(axis=(1, 2))) - outputs[SCORES_NAME]).max())
    if not difference <= bundle.manifest.score_tolerance:
        raise BundleError(
            f"{bundle.path}: the heatmaps do not match the scores: they differ by {difference:.2g}, the tolerance is "
            f"{bundle.manifest.score_tolerance:.2g}"
        )


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)
