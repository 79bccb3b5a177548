"""Candidates for a bundle: the converted model in the requested precision, and the first that the gate accepts."""

import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import onnx
from rich.progress import Progress

from stripwatch.export.convert.accuracy_gate import GateLimits, GateRejectedError, measure_fidelity, violated_limits
from stripwatch.export.convert.converted_run import Converted
from stripwatch.export.convert.fidelity.box_fidelity import BEST_BOX, with_best_boxes
from stripwatch.export.convert.fidelity.novelty_fidelity import NoveltyComparison
from stripwatch.export.convert.ort_cpu import Outputs, open_cpu
from stripwatch.export.convert.quantize import QuantizedModels, in_eight_bits, in_float32, in_half
from stripwatch.export.convert.synthetic_defects import NONE_REPRODUCED, ReproducedDefects
from stripwatch.export.convert.validation_scores import ScoredValidation, Scores, outputs_of, score
from stripwatch.export.runs.frames import read_pixels
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.contracts.model.model_record import Fidelity
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.model.bundle import BOXES_NAME, HEATMAPS_NAME, NOVELTY_NAME, SCORES_NAME, Precision

_CALIBRATION_FRAMES_MAX = 128
GOLDEN_DIFFERENCE_MAX: dict[Precision, float] = {"fp16": 0.005, "int8": 0.025}


@dataclass(frozen=True, slots=True)
class Accepted:
    """The candidate that passed the accuracy gate, and its scores of the validation frames.

    novelty: None if it has no novelty score. synthetic: synthetic defects that it reproduces.
    """

    proto: onnx.ModelProto
    fidelity: Fidelity
    scores: Scores
    novelty: NoveltyComparison | None
    synthetic: ReproducedDefects


def first_accepted(converted: Converted, precision: Precision, limits: GateLimits, progress: Progress) -> Accepted:
    """Return the first candidate that passes the accuracy gate.

    Raises GateRejectedError, with the violated limits of the last candidate, if none passes.
    """
    validation = converted.validation
    run, targets = validation.run, validation.targets
    most = min(limits.score_difference_max, GOLDEN_DIFFERENCE_MAX.get(precision, math.inf))
    names = [SCORES_NAME] if validation.novelty is None else [SCORES_NAME, NOVELTY_NAME]
    boxes = converted.boxes
    # The generator may hold a temporary folder.
    with closing(_candidates(precision, converted.proto, converted.backbone, validation)) as candidates:
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
                return Accepted(candidate.proto, fidelity, scores, novelty, synthetic)
            rejection = GateRejectedError(precision, fidelity, violations)
            say(f"candidate rejected: {rejection.reason}")
    raise rejection


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


def _scores_of(predict: Callable[[Pixels], Outputs]) -> Callable[[Pixels], Scores]:
    return lambda pixels: predict(pixels)[SCORES_NAME]


def _compare_novelty(validation: ScoredValidation, outputs: Outputs, precision: Precision) -> NoveltyComparison | None:
    if validation.run.novelty is None or validation.novelty is None:
        return None
    return NoveltyComparison(validation.run.novelty, validation.novelty, outputs[NOVELTY_NAME], precision)
