"""Example records of a run and its evaluation."""

import hashlib

from stripwatch.export.results import run_evaluation
from stripwatch.export.results.run_evaluation import Calibration, ChosenThreshold, Evaluation, Interval, OperatingPoint
from stripwatch.export.runs import run_folder
from stripwatch.export.runs.run_folder import Configuration, Run, Split, SplitFrame
from stripwatch.worker.contracts.model.model_record import Bin, ClassFigures, Validation
from stripwatch.worker.images.decode_spec import DecodeSpec

MODEL = b"a model"
RUN = Run(
    schema=run_folder.SCHEMA,
    run_id="1",
    created_at="2026-01-02T03:04:05+00:00",
    configuration=Configuration(
        layout="prefix",
        network="mobilenet",
        alpha=0.25,
        weights="none",
        frozen=False,
        head="gap",
        dropout=0.2,
        augment=False,
        epochs=1,
        batch=2,
        learning_rate=0.01,
        seed=0,
        val_share=0.2,
    ),
    decode=DecodeSpec(32, 32),
    labels=["a", "b"],
    clean_label=None,
    data="/data",
    data_sha256="0",
    split=Split([SplitFrame("a_1.png", "a", "0")], [SplitFrame("b_1.png", "b", "0")]),
    best_epoch=1,
    validation=Validation(1, 1.0, {"b": ClassFigures(1.0, 1.0, 1.0, 1)}),
    seconds={"total": 1.0},
    versions={},
    commit=None,
    model_sha256=hashlib.sha256(MODEL).hexdigest(),
)


def cut(value: float) -> OperatingPoint:
    return OperatingPoint(value, 1.0, 1.0, True)


EVALUATION = Evaluation(
    schema=run_evaluation.SCHEMA,
    run_id=RUN.run_id,
    model_sha256=RUN.model_sha256,
    measured_on="validation",
    data="data",
    data_sha256="0",
    frames=1,
    accuracy=Interval(1.0, 0.9, 1.0),
    macro_f1=Interval(0.75, 0.7, 0.8),
    classes={},
    average_precision={},
    confusion=[[3, 1], [0, 4]],
    calibration=Calibration(1.7, 1.5, 0.1, 0.05, [Bin(8, 0.9, 0.875)]),
    thresholds={"a": ChosenThreshold(cut(0.3), cut(0.6)), "b": ChosenThreshold(cut(0.2), cut(0.9))},
    thresholds_chosen="recall 0.98 on validation",
)
