"""Conversion of a run to ONNX in float32, and its comparison with Keras."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import onnx
from rich.progress import Progress

from stripwatch.export.convert.fidelity.box_fidelity import BEST_BOX, BoxReference, with_best_boxes
from stripwatch.export.convert.graph.keras_to_onnx import to_onnx
from stripwatch.export.convert.ort_cpu import Outputs
from stripwatch.export.convert.parity import Parity, check_parity
from stripwatch.export.convert.synthetic_defects import SyntheticDefects
from stripwatch.export.convert.validation_scores import ScoredValidation, score
from stripwatch.export.results.run_evaluation import Evaluation, read_evaluation
from stripwatch.export.runs.frames import find_data
from stripwatch.export.runs.keras_model import (
    backbone_name,
    exported_view,
    load_boxes,
    load_detector,
    load_model,
    view_outputs,
)
from stripwatch.export.runs.run_folder import ANOMALY_LABEL, Run, read_run
from stripwatch.worker.common.errors import ExportRejectedError
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.common.terminal.progress import one_step
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.model.bundle import BOXES_NAME, HEATMAPS_NAME, LABELS_MAX, NOVELTY_NAME, SCORES_NAME

_PARITY_BATCH = 16
_PARITY_FRAMES_MAX = 64
_FOUND_MIN = 0.6  # score of a defect that is clear enough for a golden frame


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
