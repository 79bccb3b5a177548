"""Export of a run folder to a bundle, which is verified before it gets its final name."""

import math
from collections.abc import Callable
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
from stripwatch.export.convert.boxes.box_fidelity import BEST_BOX, BoxReference, with_best_boxes
from stripwatch.export.convert.drift_reference import decide_all, trained_frames, with_reference
from stripwatch.export.convert.golden_frames import GoldenTolerance, pick_golden
from stripwatch.export.convert.graph.keras_to_onnx import to_onnx
from stripwatch.export.convert.novelty_fidelity import NoveltyComparison
from stripwatch.export.convert.ort_cpu import Outputs, open_cpu
from stripwatch.export.convert.pack import Facts, describe, pack
from stripwatch.export.convert.parity import Parity, check_parity
from stripwatch.export.convert.quantize import QuantizedModels, in_eight_bits, in_float32, in_half
from stripwatch.export.convert.synthetic_defects import NONE_REPRODUCED, ReproducedDefects, SyntheticDefects
from stripwatch.export.convert.threshold_figures import lost_precision, measure_thresholds
from stripwatch.export.convert.validation_scores import ScoredValidation, Scores, outputs_of, score
from stripwatch.export.convert.verify import verify
from stripwatch.export.results.run_evaluation import Evaluation, read_evaluation
from stripwatch.export.runs.files import atomic_write
from stripwatch.export.runs.frames import find_data, read_pixels
from stripwatch.export.runs.keras_model import (
    backbone_name,
    exported_view,
    load_boxes,
    load_detector,
    load_model,
    view_outputs,
)
from stripwatch.export.runs.provenance import versions_of
from stripwatch.export.runs.run_folder import ANOMALY_LABEL, Run, read_run
from stripwatch.worker.common.errors import BundleError, ExportRejectedError, InputError
from stripwatch.worker.common.path_text import path_text
from stripwatch.worker.common.terminal.console import new_progress, say
from stripwatch.worker.common.terminal.progress import one_step
from stripwatch.worker.contracts.model_record import BoxSpec, Fidelity
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.model.bundle import (
    BOXES_NAME,
    HEATMAPS_NAME,
    LABELS_MAX,
    NOVELTY_NAME,
    SCORES_NAME,
    Manifest,
    Precision,
)

_PARITY_BATCH = 16
_FOUND_MIN = 0.6  # score of a defect that is clear enough for a golden frame
_PARITY_FRAMES_MAX = 64
_CALIBRATION_FRAMES_MAX = 128
_GOLDEN_DIFFERENCE_MAX: dict[Precision, float] = {"fp16": 0.005, "int8": 0.025}


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
class Converted:
    """A run converted to ONNX in float32 and compared with Keras: the starting point for every precision.

    backbone: name of the backbone layer. synthetic: frames with synthetic defects, of an anomaly model. boxes: the
    boxes that Keras predicts; None if the model predicts none.
    """

    evaluation: Evaluation | None
    validation: ScoredValidation
    proto: onnx.ModelProto
    backbone: str
    parity: Parity
    synthetic: SyntheticDefects | None = None
    boxes: BoxReference | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """A bundle that was written. parity: differences between its float32 model and Keras. model_bytes: file size."""

    manifest: Manifest
    parity: Parity
    model_bytes: int


@dataclass(frozen=True, slots=True)
class _Accepted:
    """The candidate that passed the accuracy gate, and its scores of the validation frames.

    novelty: None if it has no novelty score. synthetic: synthetic defects that it reproduces.
    """

    proto: onnx.ModelProto
    fidelity: Fidelity
    scores: Scores
    novelty: NoveltyComparison | None
    synthetic: ReproducedDefects


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


def convert_run(folder: Path, data: Path | None, progress: Progress) -> Converted:
    """Convert a run to ONNX in float32 and compare it with Keras.

    data: current location of the run's data folder; None for the location stored in the run. Raises InputError if the
    run or its data is missing or has changed, ExportRejectedError if the model cannot be converted faithfully.
    """
    run = read_run(folder)
    detector = load_detector(folder, run)
    if len(run.labels) > LABELS_MAX:
        raise ExportRejectedError(f"{folder} has {len(run.labels)} labels; a bundle supports at most {LABELS_MAX}")
    evaluation = read_evaluation(folder, run)
    if evaluation is None and run.anomaly is None:  # the fit of an anomaly model chose its thresholds
        say("note: the run was not evaluated, so all thresholds are 0.5; run 'evaluate' to choose them")
    root = find_data(run, data)
    model = load_model(folder)
    parts = run.configuration.head, detector, load_boxes(folder, run)
    view, names = exported_view(model, *parts), view_outputs(*parts)
    known = score(run, root, _keras_outputs(run, model, view, names), progress, "Keras")
    validation = ScoredValidation(run, root, known[SCORES_NAME], known.get(NOVELTY_NAME))
    with one_step(progress, "converting to ONNX"):
        proto = to_onnx(view, names)
    with one_step(progress, "comparing with Keras"):
        parity = check_parity(proto.SerializeToString(), *_sample(view, names, validation))
    synthetic = _synthetic(validation, model) if run.anomaly is not None else None
    boxes = _box_reference(run, view, names, known) if BOXES_NAME in names else None
    return Converted(evaluation, validation, proto, backbone_name(model), parity, synthetic, boxes)


def _box_reference(run: Run, view: keras.Model, names: list[str], known: Outputs) -> BoxReference:
    decoder = run.heatmap_decoder
    assert decoder is not None
    assert decoder.cell_boxes is not None
    multiclass = run.configuration.label_task == "multiclass"
    predict = _keras_boxes(view, names)
    return BoxReference(decoder.cell_boxes, _clean_at(run), multiclass, known[SCORES_NAME], known[BEST_BOX], predict)


def _clean_at(run: Run) -> int | None:
    return None if run.clean_label is None else run.labels.index(run.clean_label)


def _synthetic(validation: ScoredValidation, model: keras.Model) -> SyntheticDefects | None:
    """Return frames with synthetic defects if no validation frame has a defect that Keras finds."""
    anomaly = validation.run.labels.index(ANOMALY_LABEL)
    found = validation.targets[:, anomaly] & (validation.keras[:, anomaly] > _FOUND_MIN)
    if found.any():
        return None
    clean = [int(at) for at in np.flatnonzero(~validation.targets[:, anomaly])]
    made = SyntheticDefects.make(validation, clean, anomaly, model.predict_on_batch)
    if not made.clear.any():
        say(
            "warning: no golden frame has a defect, because no validation frame has one that the model finds, and it "
            "finds no synthetic one by a clear margin"
        )
    return made


def export_converted(converted: Converted, settings: ExportSettings, progress: Progress) -> Exported:
    """Export one precision: the first candidate that passes the accuracy gate, verified again as a file.

    Raises GateRejectedError if no candidate passes.
    """
    validation, limits = converted.validation, settings.limits or LIMITS[settings.precision]
    candidates = _candidates(settings.precision, converted.proto, converted.backbone, validation)
    accepted = _first_accepted(settings.precision, candidates, limits, converted, progress)
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


def _keras_outputs(run: Run, model: keras.Model, view: keras.Model, names: list[str]) -> Callable[[Pixels], Outputs]:
    """Return a function that computes scores by the model as trained, and the others by its exported view.

    The others are the novelty scores and the best box of each frame, if the model has them.
    """
    predict = {SCORES_NAME: model.predict_on_batch}
    if NOVELTY_NAME in names:
        predict[NOVELTY_NAME] = keras.Model(view.inputs, view.outputs[names.index(NOVELTY_NAME)]).predict_on_batch

    def outputs(pixels: Pixels) -> Outputs:
        return {name: part(pixels) for name, part in predict.items()}

    decoder = run.heatmap_decoder
    if BOXES_NAME not in names or decoder is None or decoder.cell_boxes is None:
        return outputs
    best = with_best_boxes(_keras_boxes(view, names), decoder.cell_boxes, _clean_at(run), ())
    return lambda pixels: outputs(pixels) | best(pixels)


def _keras_boxes(view: keras.Model, names: list[str]) -> Callable[[Pixels], Outputs]:
    """Return a function that computes scores, heatmaps and predicted boxes by Keras."""
    wanted = [SCORES_NAME, HEATMAPS_NAME, BOXES_NAME]
    parts = keras.Model(view.inputs, [view.outputs[names.index(name)] for name in wanted])
    return lambda pixels: dict(zip(wanted, parts.predict_on_batch(pixels), strict=True))


def _sample(view: keras.Model, names: list[str], validation: ScoredValidation) -> tuple[Pixels, Outputs]:
    """Return up to 64 evenly spaced validation frames and the Keras outputs for them.

    The scores come from the model as trained, the others from its exported variant. names: outputs of the variant.
    """
    every = len(validation.keras)
    picked = np.unique(np.linspace(0, every - 1, min(every, _PARITY_FRAMES_MAX)).round().astype(int))
    pixels = validation.pixels(picked.tolist())
    if len(names) == 1:
        return pixels, {SCORES_NAME: validation.keras[picked]}
    outputs = dict(zip(names, view.predict(pixels, batch_size=_PARITY_BATCH, verbose=0), strict=True))
    return pixels, outputs | {SCORES_NAME: validation.keras[picked]}


def _candidates(
    precision: Precision, proto: onnx.ModelProto, backbone: str, validation: ScoredValidation
) -> QuantizedModels:
    """Yield candidates in order, from the most to the fewest nodes in the requested precision."""
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
    converted: Converted,
    progress: Progress,
) -> _Accepted:
    """Return the first candidate that passes the accuracy gate.

    Raises GateRejectedError, with the violated limits of the last candidate, if none passes.
    """
    validation = converted.validation
    run, targets = validation.run, validation.targets
    most = min(limits.score_difference_max, _GOLDEN_DIFFERENCE_MAX.get(precision, math.inf))
    names = [SCORES_NAME] if validation.novelty is None else [SCORES_NAME, NOVELTY_NAME]
    boxes = converted.boxes
    with closing(candidates):  # the generator may hold a temporary folder
        for candidate in candidates:
            session = open_cpu(candidate.proto.SerializeToString())
            predict = outputs_of(session, names)
            if boxes is not None:
                every = outputs_of(session, [*names, HEATMAPS_NAME, BOXES_NAME])
                predict = with_best_boxes(every, boxes.decoder, boxes.clean_at, names)
            outputs = score(run, validation.root, predict, progress, "ONNX Runtime")
            scores, novelty = outputs[SCORES_NAME], _compare_novelty(validation, outputs, precision)
            fidelity = measure_fidelity(
                validation.keras,
                scores,
                targets,
                run.configuration.label_task,
                candidate.scheme,
                novelty.fidelity if novelty else None,
                boxes.compare(outputs[BEST_BOX]) if boxes else None,
            )
            synthetic = NONE_REPRODUCED
            if converted.synthetic is not None:
                synthetic = converted.synthetic.compare(_scores_of(predict), most, limits.agreement_min)
            violations = violated_limits(fidelity, limits) + synthetic.violations
            if not violations:
                return _Accepted(candidate.proto, fidelity, scores, novelty, synthetic)
            rejection = GateRejectedError(precision, fidelity, violations)
            say(f"candidate rejected: {rejection.reason}")
    raise rejection


def _scores_of(predict: Callable[[Pixels], Outputs]) -> Callable[[Pixels], Scores]:
    return lambda pixels: predict(pixels)[SCORES_NAME]


def _compare_novelty(validation: ScoredValidation, outputs: Outputs, precision: Precision) -> NoveltyComparison | None:
    if validation.run.novelty is None or validation.novelty is None:
        return None
    return NoveltyComparison(validation.run.novelty, validation.novelty, outputs[NOVELTY_NAME], precision)


def _facts(settings: ExportSettings, converted: Converted, accepted: _Accepted) -> Facts:
    validation = converted.validation
    differences, novelty = np.abs(accepted.scores - validation.keras).max(axis=1), accepted.novelty
    synthetic = accepted.synthetic
    most = _GOLDEN_DIFFERENCE_MAX.get(settings.precision)
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


def _box_spec(converted: Converted, accepted: _Accepted, picked: list[int], precision: Precision) -> BoxSpec | None:
    if converted.boxes is None:
        return None
    candidate = outputs_of(open_cpu(accepted.proto.SerializeToString()), [BOXES_NAME])
    return converted.boxes.spec(converted.validation.pixels(picked), candidate, precision)
