"""Assembly of a bundle: the model, its manifest and the checksum in one file."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import onnx

from stripwatch.export.convert.graph.keras_to_onnx import OPSET
from stripwatch.export.results.run_evaluation import Evaluation
from stripwatch.export.runs.run_folder import Run
from stripwatch.worker.contracts.model.model_record import BoxSpec, Fidelity, NoveltySpec, Provenance, Validation
from stripwatch.worker.model.bundle import SCHEMA, GoldenFrame, Manifest, Precision, Threshold
from stripwatch.worker.model.manifest_codec import encode_manifest
from stripwatch.worker.model.onnx_file.onnx_metadata import add_checksum
from stripwatch.worker.model.trained_range import TrainedFrames

_CONFUSION_LABELS_MAX = 50  # a larger confusion matrix is unreadable and makes the manifest large

# Twice the difference that an export may have, because the worker's provider rounds differently. The faults that golden
# frames detect (a swapped label, a scaled layer, a changed constant) move a score by 1e-3 and more. The deviation of
# half precision and int8 on the golden frames is known; another device may double it.
_TOLERANCE_MIN: dict[Precision, float] = {"fp32": 1e-4, "fp16": 2e-3, "int8": 1e-2}


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts that an export adds to those recorded in the run.

    data: name of the data folder, without its path. golden_difference: largest score difference between Keras and the
    exported model on the golden frames. novelty: None if the model has no novelty score. boxes: None if it predicts no
    boxes.
    """

    name: str
    version: str
    data: str
    precision: Precision
    golden: Sequence[GoldenFrame]
    golden_difference: float
    fidelity: Fidelity
    versions: dict[str, str]
    trained: TrainedFrames | None = None
    novelty: NoveltySpec | None = None
    boxes: BoxSpec | None = None


def describe(run: Run, evaluation: Evaluation | None, facts: Facts) -> Manifest:
    """Return the manifest of an exported run. Without an evaluation it has the default thresholds."""
    configuration = run.configuration
    provenance = Provenance(
        run_id=run.run_id,
        created_at=run.created_at,
        network=configuration.title,
        weights=configuration.weights,
        data=facts.data,
        data_sha256=run.data_sha256,
        seed=configuration.seed,
        versions=run.versions | facts.versions,
        commit=run.commit,
    )
    return Manifest(
        schema=SCHEMA,
        name=facts.name,
        version=facts.version,
        task=configuration.label_task,
        labels=run.labels,
        clean_label=run.clean_label,
        thresholds=_thresholds(run, evaluation),
        thresholds_chosen=_how_chosen(run, evaluation),
        decode=run.decode,
        heatmaps=run.heatmaps.kind if run.heatmaps else None,
        precision=facts.precision,
        opset=OPSET,
        score_tolerance=max(_TOLERANCE_MIN[facts.precision], 2 * facts.golden_difference),
        provenance=provenance,
        validation=_validation(run, evaluation),
        golden=list(facts.golden),
        trained=facts.trained,
        grid=run.heatmaps.grid if run.heatmaps else None,
        box_threshold=run.heatmaps.threshold if run.heatmaps else 0.5,
        temperature=evaluation.calibration.applied if evaluation else 1.0,
        trained_for="anomaly" if configuration.task == "anomaly" else None,
        fidelity=facts.fidelity,
        novelty=facts.novelty,
        boxes=facts.boxes,
        novelty_figures=evaluation.novelty.figures if evaluation and evaluation.novelty else None,
        withstands=evaluation.stress.limits if evaluation and evaluation.stress else None,
    )


def _how_chosen(run: Run, evaluation: Evaluation | None) -> str:
    if run.anomaly is not None:  # the fit chose them, with or without an evaluation
        return run.anomaly.threshold_chosen
    return evaluation.thresholds_chosen if evaluation else "default"


def _thresholds(run: Run, evaluation: Evaluation | None) -> dict[str, Threshold]:
    if evaluation is None:
        return {label: Threshold() for label in run.labels}
    chosen = evaluation.thresholds
    return {label: Threshold(chosen[label].sure.value, chosen[label].unsure.value) for label in run.labels}


def _validation(run: Run, evaluation: Evaluation | None) -> Validation:
    """Return the validation figures, extended by those of an evaluation on the same frames."""
    if evaluation is None or evaluation.measured_on != "validation":
        return run.validation
    confusion = evaluation.confusion if len(run.labels) <= _CONFUSION_LABELS_MAX else None
    return msgspec.structs.replace(
        run.validation,
        macro_f1=evaluation.macro_f1.value if evaluation.macro_f1 else None,
        confusion=confusion,
        reliability=evaluation.calibration.bins,
    )


def pack(proto: onnx.ModelProto, manifest: Manifest) -> bytes:
    """Return the bytes of the bundle: the model with its manifest and checksum as metadata."""
    onnx.helper.set_model_props(proto, encode_manifest(manifest))
    return add_checksum(proto.SerializeToString())
