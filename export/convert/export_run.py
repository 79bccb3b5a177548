"""`stripwatch export run`: from a run folder to a bundle, proved before it is written."""

from contextlib import closing
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

from stripwatch.export.convert.accuracy_gate import (
    LIMITS,
    GateLimits,
    GateRejectedError,
    measure_fidelity,
    violated_limits,
)
from stripwatch.export.convert.drift_reference import decide_all, trained_frames, with_reference
from stripwatch.export.convert.golden_frames import GoldenTolerance, choose_golden, missing_labels, usual_count
from stripwatch.export.convert.keras_to_onnx import to_onnx
from stripwatch.export.convert.ort_cpu import Outputs, open_cpu
from stripwatch.export.convert.pack import Facts, describe, pack
from stripwatch.export.convert.parity import Parity, prove_parity
from stripwatch.export.convert.quantize import QuantizedModels, in_eight_bits, in_float32, in_half
from stripwatch.export.convert.threshold_figures import lost_precision, measure_thresholds
from stripwatch.export.convert.validation_scores import ScoredValidation, Scores, score, scores_of
from stripwatch.export.convert.verify import verify
from stripwatch.export.runs.files import atomic_write
from stripwatch.export.runs.frames import read_pixels
from stripwatch.export.runs.keras_model import backbone_name, exported_view, load_model
from stripwatch.export.runs.provenance import versions_of
from stripwatch.export.runs.run_evaluation import Evaluation, read_evaluation
from stripwatch.export.runs.run_folder import read_run
from stripwatch.worker.common.console import new_progress, say
from stripwatch.worker.common.errors import BundleError, ExportRejectedError, InputError
from stripwatch.worker.common.path_text import path_of, path_text
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.model.bundle import HEATMAPS_NAME, LABELS_MAX, SCORES_NAME, Fidelity, Manifest, Precision

_PARITY_BATCH = 16
_PARITY_FRAMES_MAX = 64
_CALIBRATION_FRAMES_MAX = 128
_GOLDEN_DIFFERENCE_MAX: dict[Precision, float] = {"fp16": 0.005, "int8": 0.025}


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """What an export is asked for; the fields are the options of `stripwatch export run`. None takes the usual value.

    data: where the run's data folder is now. limits: what the file may differ by from Keras.
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
class Converted:
    """What every precision of a run starts from: its model as ONNX in float32, proved to compute what Keras computes.

    backbone: the name of its layer.
    """

    evaluation: Evaluation | None
    validation: ScoredValidation
    proto: onnx.ModelProto
    backbone: str
    parity: Parity


@dataclass(frozen=True, slots=True)
class Exported:
    manifest: Manifest
    parity: Parity
    model_bytes: int


@dataclass(frozen=True, slots=True)
class _Accepted:
    """The candidate that passed the gate, and its scores of the validation frames."""

    proto: onnx.ModelProto
    fidelity: Fidelity
    scores: Scores


def export_run(settings: ExportSettings) -> Exported:
    """Convert a run to ONNX, prove that it computes what Keras computes, and write the bundle.

    Not thread-safe: Keras belongs to the process.

    Args:
        settings: Which run, where the file goes, at which precision, and what it may differ by from Keras.

    Returns:
        The manifest of the bundle, the differences of its scores (0 to 1) to those of Keras, and its size in bytes.

    Raises:
        InputError: The run is missing or not what it was, or the file exists. Nothing was written.
        ExportRejectedError: The file does not agree with Keras within the limits. Nothing was written.

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


def convert_run(folder: Path, data: Path | None, progress: Progress) -> Converted:
    """data: where the run's data folder is now. Raises InputError or ExportRejectedError."""
    run = read_run(folder)
    if len(run.labels) > LABELS_MAX:
        raise ExportRejectedError(f"{folder} has {len(run.labels)} labels, and a bundle holds at most {LABELS_MAX}")
    evaluation = read_evaluation(folder, run)
    if evaluation is None:
        say("note: the run was not evaluated, so its thresholds are the usual 0.5; 'evaluate' chooses them")
    root = data or path_of(run.data)
    model = load_model(folder)
    view = exported_view(model, run.configuration.head)
    validation = ScoredValidation(run, root, score(run, root, model.predict_on_batch, progress, "Keras"))
    proto = to_onnx(view)
    parity = prove_parity(proto.SerializeToString(), *_sample(view, validation))
    return Converted(evaluation, validation, proto, backbone_name(model), parity)


def export_converted(converted: Converted, settings: ExportSettings, progress: Progress) -> Exported:
    """One precision: the first candidate that passes the gate, proved once more as a file. Raises GateRejectedError."""
    validation, limits = converted.validation, settings.limits or LIMITS[settings.precision]
    candidates = _candidates(settings.precision, converted.proto, converted.backbone, validation)
    accepted = _first_accepted(settings.precision, candidates, limits, validation, progress)
    described = describe(validation.run, converted.evaluation, _facts(settings, validation, accepted))
    decisions = decide_all(described, accepted.scores)
    figures = measure_thresholds(described, decisions, validation.targets)
    for sentence in lost_precision(figures, converted.evaluation) if converted.evaluation else ():
        say(sentence)
    measured = msgspec.structs.replace(described, threshold_figures=figures)
    manifest = with_reference(measured, validation, decisions, progress)
    bundle = pack(accepted.proto, manifest)
    check_out(settings.out)  # the work took a while
    _write_proved(settings.out, bundle)
    return Exported(manifest, converted.parity, len(bundle))


def check_out(out: Path) -> None:
    """Raises InputError where a bundle cannot be written."""
    if out.exists():
        raise InputError(f"{out} is there already, and a bundle is never overwritten: choose another --out")
    if not out.parent.is_dir():
        raise InputError(f"there is no folder {out.parent} to write {out.name} in")


def _write_proved(out: Path, bundle: bytes) -> None:
    """The last proof is of the file itself, as a stranger would check it; only then it gets its name."""
    draft = out.with_name(f"{out.name}.draft")
    try:
        atomic_write(draft, bundle)
        verify(draft)
        draft.replace(out)
    except BundleError as error:
        raise ExportRejectedError(f"the finished file does not prove itself: {error}; nothing was written") from error
    finally:
        draft.unlink(missing_ok=True)


def _sample(view: keras.Model, validation: ScoredValidation) -> tuple[Pixels, Outputs]:
    """Validation frames from the first to the last, and what Keras gave for them.

    The scores are those of the model as it was trained, the heatmaps those of the view on it that is exported.
    """
    every = len(validation.keras)
    picked = np.unique(np.linspace(0, every - 1, min(every, _PARITY_FRAMES_MAX)).round().astype(int))
    pixels = validation.pixels(picked.tolist())
    outputs = {SCORES_NAME: validation.keras[picked]}
    if len(view.outputs) > 1:
        outputs[HEATMAPS_NAME] = view.predict(pixels, batch_size=_PARITY_BATCH, verbose=0)[1]
    return pixels, outputs


def _candidates(
    precision: Precision, proto: onnx.ModelProto, backbone: str, validation: ScoredValidation
) -> QuantizedModels:
    """From the one with most of it in the precision asked for, to the one with least."""
    if precision == "fp32":
        return in_float32(proto)
    if precision == "fp16":
        return in_half(proto, backbone)
    run = validation.run
    every = run.split.train
    picked = np.random.default_rng(run.configuration.seed).permutation(len(every))[:_CALIBRATION_FRAMES_MAX]
    return in_eight_bits(proto, backbone, read_pixels(validation.root, [every[at] for at in picked], run.decode))


def _first_accepted(
    precision: Precision,
    candidates: QuantizedModels,
    limits: GateLimits,
    validation: ScoredValidation,
    progress: Progress,
) -> _Accepted:
    """The first candidate that passes the gate. Raises GateRejectedError, with what the last one falls short by."""
    run, targets = validation.run, validation.targets
    with closing(candidates):  # one may hold a folder
        for candidate in candidates:
            said = scores_of(open_cpu(candidate.proto.SerializeToString()))
            scores = score(run, validation.root, said, progress, "ONNX Runtime")
            fidelity = measure_fidelity(validation.keras, scores, targets, run.configuration.task, candidate.scheme)
            over = violated_limits(fidelity, limits)
            if not over:
                return _Accepted(candidate.proto, fidelity, scores)
            refused = GateRejectedError(precision, fidelity, over)
            say(f"refused: {refused.reason}")
    raise refused


def _facts(settings: ExportSettings, validation: ScoredValidation, accepted: _Accepted) -> Facts:
    differences = np.abs(accepted.scores - validation.keras).max(axis=1)
    most = _GOLDEN_DIFFERENCE_MAX.get(settings.precision)
    picked = _pick_golden(validation, None if most is None else GoldenTolerance(differences, most), settings.golden)
    data = path_text(validation.root.resolve().name)
    return Facts(
        name=settings.name or f"{data}-{validation.run.configuration.network}",
        version=settings.version,
        data=data,
        precision=settings.precision,
        golden=[validation.golden(at) for at in picked],
        golden_difference=float(differences[picked].max()),
        fidelity=accepted.fidelity,
        versions=versions_of(keras, onnx, onnxruntime, tf, tf2onnx),
        trained=trained_frames(validation.run, validation.root),
    )


def _pick_golden(validation: ScoredValidation, near: GoldenTolerance | None, count: int | None) -> list[int]:
    """Positions of validation frames. Raises ExportRejectedError where there is none to prove the file with."""
    run, targets = validation.run, validation.targets
    wanted = count or usual_count(len(run.labels))
    chosen = choose_golden(run.configuration.task, targets, validation.keras, wanted, near)
    if not chosen:
        close = ", and the file close to it" if near else ""
        raise ExportRejectedError(f"on no validation frame is Keras clearly right{close}: nothing would prove the file")
    missing = missing_labels(run.labels, targets, chosen)
    if missing:
        say(f"warning: no validation frame is clearly right for {', '.join(missing)}: no golden frame for it")
    return chosen
