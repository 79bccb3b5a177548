"""Export of a run folder to a bundle, which is verified before it gets its final name."""

from dataclasses import dataclass
from pathlib import Path

import keras
import msgspec
import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
import tf2onnx
from rich.progress import Progress

from stripwatch.export.convert.accuracy_gate import LIMITS, GateLimits
from stripwatch.export.convert.candidates import GOLDEN_DIFFERENCE_MAX, Accepted, first_accepted
from stripwatch.export.convert.converted_run import Converted, convert_run
from stripwatch.export.convert.drift_reference import decide_all, trained_frames, with_reference
from stripwatch.export.convert.fidelity.threshold_figures import lost_precision, measure_thresholds
from stripwatch.export.convert.golden_frames import GoldenTolerance, pick_golden
from stripwatch.export.convert.ort_cpu import open_cpu
from stripwatch.export.convert.pack import Facts, describe, pack
from stripwatch.export.convert.parity import Parity
from stripwatch.export.convert.validation_scores import outputs_of
from stripwatch.export.convert.verify import verify
from stripwatch.export.runs.files import atomic_write
from stripwatch.export.runs.provenance import versions_of
from stripwatch.worker.common.errors import BundleError, ExportRejectedError, InputError
from stripwatch.worker.common.path_text import path_text
from stripwatch.worker.common.terminal.console import new_progress, say
from stripwatch.worker.common.terminal.progress import one_step
from stripwatch.worker.contracts.model.model_record import BoxSpec
from stripwatch.worker.model.bundle import BOXES_NAME, Manifest, Precision


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """Settings of an export; the fields are the options of `stripwatch export run`. None selects the default.

    data: current location of the run's data folder. limits: largest allowed deviation from Keras.
    """

    run: Path
    out: Path
    name: str | None = None
    version: str = "1"
    golden: int | None = None
    data: Path | None = None
    precision: Precision = "fp32"
    limits: GateLimits | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """A bundle that was written. parity: differences between its float32 model and Keras. model_bytes: file size."""

    manifest: Manifest
    parity: Parity
    model_bytes: int


def export_run(settings: ExportSettings) -> Exported:
    """Convert a run to ONNX, check that it reproduces the scores of Keras, and write the bundle.

    Not thread-safe, because Keras keeps global state.

    Args:
        settings: The run, the output file, the precision, and the largest allowed deviation from Keras.

    Returns:
        The manifest of the bundle, the differences between its scores (0 to 1) and those of Keras, and its size in
        bytes.

    Raises:
        InputError: The run is missing or has changed, or the output file exists. Nothing is written.
        ExportRejectedError: The exported model deviates from Keras by more than the limits. Nothing is written.

    Example:
        >>> from pathlib import Path
        >>> from stripwatch.export import ExportSettings, export_run
        >>> exported = export_run(ExportSettings(Path("runs/first"), Path("model.onnx"), name="plant-a", version="2"))
        >>> exported.manifest.fidelity.agreement
        1.0
    """
    check_out(settings.out)
    with new_progress() as progress:
        return export_converted(convert_run(settings.run, settings.data, progress), settings, progress)


def export_converted(converted: Converted, settings: ExportSettings, progress: Progress) -> Exported:
    """Export one precision: the first candidate that passes the accuracy gate, verified again as a file.

    Raises GateRejectedError if no candidate passes.
    """
    validation, limits = converted.validation, settings.limits or LIMITS[settings.precision]
    accepted = first_accepted(converted, settings.precision, limits, progress)
    novelty = accepted.novelty
    described = describe(validation.run, converted.evaluation, _facts(settings, converted, accepted))
    decisions = decide_all(described, accepted.scores, novelty.candidate if novelty else None)
    if described.no_clean_verdict:
        say(f"warning: {described.no_clean_verdict}")
    figures = measure_thresholds(described, decisions, validation.targets)
    for warning in lost_precision(figures, converted.evaluation) if converted.evaluation else ():
        say(warning)
    measured = msgspec.structs.replace(described, threshold_figures=figures)
    stress = converted.evaluation.stress if converted.evaluation else None
    manifest = with_reference(measured, validation, decisions, progress, stress)
    bundle = pack(accepted.proto, manifest)
    check_out(settings.out)  # the file may have been created in the meantime
    with one_step(progress, "verifying the bundle"):
        _write_verified(settings.out, bundle)
    return Exported(manifest, converted.parity, len(bundle))


def check_out(out: Path) -> None:
    """Raise InputError if the output file exists or its folder does not."""
    require_new(out)
    if not out.parent.is_dir():
        raise InputError(f"cannot write {out}: the folder {out.parent} does not exist; create it first")


def require_new(out: Path) -> None:
    """Raise InputError if the output file exists."""
    if out.exists():
        raise InputError(f"{out} already exists and bundles are never overwritten; choose another --out")


def _write_verified(out: Path, bundle: bytes) -> None:
    """Write the bundle as a draft, verify that file on its own, and only then give it its final name."""
    draft = out.with_name(f"{out.name}.draft")
    try:
        atomic_write(draft, bundle)
        verify(draft)
        draft.replace(out)
    except BundleError as error:
        raise ExportRejectedError(f"the exported file failed its self-test: {error}; nothing was written") from error
    finally:
        draft.unlink(missing_ok=True)


def _facts(settings: ExportSettings, converted: Converted, accepted: Accepted) -> Facts:
    validation = converted.validation
    differences, novelty = np.abs(accepted.scores - validation.keras).max(axis=1), accepted.novelty
    synthetic = accepted.synthetic
    most = GOLDEN_DIFFERENCE_MAX.get(settings.precision)
    near = None if most is None else GoldenTolerance(differences, most)
    picked = pick_golden(validation, near, novelty.golden if novelty else None, settings.golden)
    data = path_text(validation.root.resolve().name)
    return Facts(
        name=settings.name or f"{data}-{validation.run.configuration.network}",
        version=settings.version,
        data=data,
        precision=settings.precision,
        golden=[*(validation.golden(at) for at in picked), *synthetic.frames],
        golden_difference=max(float(differences[picked].max()), synthetic.difference),
        fidelity=accepted.fidelity,
        versions=versions_of(keras, onnx, onnxruntime, tf, tf2onnx),
        trained=trained_frames(validation.run, validation.root),
        novelty=novelty.spec(picked) if novelty else None,
        boxes=_box_spec(converted, accepted, picked, settings.precision),
    )


def _box_spec(converted: Converted, accepted: Accepted, picked: list[int], precision: Precision) -> BoxSpec | None:
    if converted.boxes is None:
        return None
    candidate = outputs_of(open_cpu(accepted.proto.SerializeToString()), [BOXES_NAME])
    return converted.boxes.spec(converted.validation.pixels(picked), candidate, precision)
