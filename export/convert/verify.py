"""`stripwatch export verify`: proof from the file alone that a bundle is sound."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from stripwatch.export.convert.ort_cpu import Outputs, open_cpu, run_batches
from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.images.decode import decode
from stripwatch.worker.model.bundle import HEATMAPS_NAME, SCORES_NAME, Bundle
from stripwatch.worker.model.bundle_store import load_resolved, resolve_bundle
from stripwatch.worker.model.session import open_session, verify_golden


@dataclass(frozen=True, slots=True)
class Verified:
    """golden_difference: the largest, of a score. frames_per_second: one at a time, on this CPU."""

    bundle: Bundle
    golden_difference: float
    frames_per_second: float


def verify(path: Path) -> Verified:
    """Prove from the file alone that a bundle is whole, unchanged, and computes what was trained, on the CPU.

    Checked are its checksum, manifest, ONNX rules, signature, golden frames and heatmaps.

    Args:
        path: A bundle file, or STORE/NAME for the promoted bundle of a store.

    Returns:
        The bundle, the largest difference of a golden score (0 to 1) to that of Keras, and the frames per second of one
        frame at a time.

    Raises:
        BundleError: The first check that fails. The message names the file.

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
    except Exception as error:  # the checker and protobuf raise a handful of types
        raise BundleError(f"{bundle.path} breaks the rules of ONNX: {str(error).strip().splitlines()[0]}") from error


def _check_heatmaps(bundle: Bundle, outputs: Outputs) -> None:
    """The activation of a heatmap's mean over its places must be the scores."""
    if HEATMAPS_NAME not in outputs:
        raise BundleError(f"{bundle.path}: its contract promises heatmaps, and it has no such output")
    activate = _softmax if bundle.manifest.task == "multiclass" else _sigmoid
    difference = float(np.abs(activate(outputs[HEATMAPS_NAME].mean(axis=(1, 2))) - outputs[SCORES_NAME]).max())
    if not difference <= bundle.manifest.score_tolerance:
        raise BundleError(f"{bundle.path}: its heatmaps do not belong to its scores: they differ by {difference:.2g}")


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)
