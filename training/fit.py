"""One fit from a data folder to a run folder."""

import time
import uuid
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import keras
import msgspec
import numpy as np
import sklearn
import tensorflow as tf

from export.model import load_model
from export.provenance import commit, versions_of
from export.runfolder import (
    MODEL_FILE,
    SCHEMA,
    BestBy,
    Configuration,
    Head,
    Keep,
    Loss,
    Optimizer,
    Run,
    Schedule,
    Task,
    claim_folder,
    file_sha256,
    write_run,
)
from training import checkpoint
from training.backbone import build_backbone
from training.checkpoint import Begun
from training.classifier import Classifier, build_classifier, find_start
from training.datasets import DataSet, for_task, read_dataset
from training.figures import measure
from training.loops import Fitted, Job, fit_model, predict
from training.material import Material, SplitPlan, prepare
from training.networks import find_network
from worker.bundle import Validation
from worker.console import new_progress
from worker.decode import DecodeSpec
from worker.errors import SettingsError

_HEAD_LEARNING_RATE: dict[Head, float] = {"gap": 1e-2, "article": 1e-3}  # for features of mean 0 and deviation 1
_RAW_LEARNING_RATE = 1e-3  # augmented frames have features anew each epoch, and nothing to scale them by
_WHOLE_LEARNING_RATE = 3e-3
_NO_FILE = ("imagenet", "none")


@dataclass(frozen=True, slots=True)
class FitSettings:
    """What the command was given. height_px, width_px, learning_rate: None takes the usual one."""

    data: Path
    out: Path
    network: str
    layout: str = "auto"
    alpha: float = 1.0
    weights: str = "imagenet"
    height_px: int | None = None
    width_px: int | None = None
    epochs: int = 10
    batch: int = 32
    seed: int = 0
    val_share: float = 0.2
    split: Path | None = None
    clean_label: str | None = None
    augment: bool = False
    dropout: float = 0.2
    learning_rate: float | None = None
    cut: str = ""
    head: Head = "gap"
    task: Task = "multiclass"
    schedule: Schedule = "cosine"
    scale_features: bool = True
    optimizer: Optimizer = "adam"
    loss: Loss = "crossentropy"
    label_smoothing: float = 0.0
    class_weights: bool = False
    best_by: BestBy = "val_accuracy"
    patience: int = 0
    fine_tune: int = 0
    fine_tune_from: str = ""
    fine_tune_rate: float = 1e-4
    resume: bool = False
    keep: Keep = "best"

    @property
    def frozen(self) -> bool:
        """A backbone that has learned before is kept as it is; a random one must be fitted."""
        return self.weights != "none"


def as_article(settings: FitSettings) -> FitSettings:
    """The same with the head and the recipe of the article: suhasmaddali/Steel-Defect-Detection-Challenge."""
    return replace(
        settings,
        head="article",
        batch=64,
        dropout=0.2,
        learning_rate=1e-3,
        schedule="constant",
        scale_features=False,
    )


def fit(settings: FitSettings) -> Run:
    """Train a classifier and write its run folder. run.json is the last file written.

    Raises SettingsError, InputError or DataError before the first epoch, and DataError for a loss that is no number.
    """
    started = time.perf_counter()
    keras.utils.set_random_seed(settings.seed)
    found = read_dataset(settings.data, settings.layout)
    dataset, clean_label = for_task(found, settings.task, settings.clean_label)
    settings = replace(settings, clean_label=clean_label)
    _check(settings)
    spec, classifier = _build(settings, len(dataset.labels))
    configuration = _configuration(settings, dataset.layout)
    claim_folder(settings.out, settings.resume)
    with new_progress() as progress:
        task = progress.add_task("reading", total=len(dataset.samples))
        plan = SplitPlan(settings.val_share, settings.seed, settings.task == "multiclass", settings.split)
        material = prepare(dataset, spec, plan, lambda: progress.advance(task))
        checkpoint.begin(settings.out, Begun(configuration, material.data_sha256, _weights_sha256(settings)))
        fitted = fit_model(Job(classifier, material, configuration, settings.out, progress))
        kept = load_model(settings.out)  # what is measured is what lies in the folder
        scores = predict(kept, material, material.validation, progress, "validating")
    validation = measure(dataset.labels, material.validation.targets, scores, settings.task)
    total_s = time.perf_counter() - started
    run = _record(settings, configuration, dataset, material, fitted, validation, total_s)
    checkpoint.clear(settings.out)
    write_run(settings.out, run)
    return run


def _check(settings: FitSettings) -> None:
    if settings.fine_tune and not settings.frozen:
        raise SettingsError(
            "--fine-tune needs weights that have learned before: --weights none fits every layer anyway"
        )
    if settings.class_weights and settings.task == "multilabel":
        raise SettingsError("--class-weights is for --task multiclass; for multilabel take --loss focal")
    if settings.keep == "last" and (settings.patience or settings.schedule == "plateau"):
        raise SettingsError("--keep last leaves nothing to validation frames, and --patience or a plateau goes by them")


def _build(settings: FitSettings, labels: int) -> tuple[DecodeSpec, Classifier]:
    network = find_network(settings.network)
    spec = DecodeSpec(settings.height_px or network.side_px, settings.width_px or network.side_px)
    backbone = build_backbone(network, spec.shape, settings.alpha, settings.weights, settings.cut)
    parts = build_classifier(network, backbone, labels, settings.dropout, settings.frozen, settings.head, settings.task)
    if settings.fine_tune:
        find_start(backbone, settings.fine_tune_from)
    return spec, parts


def _configuration(settings: FitSettings, layout: str) -> Configuration:
    """What both have by the same name goes over as it is."""
    names = {field.name for field in fields(settings)} & {field.name for field in msgspec.structs.fields(Configuration)}
    same = {name: getattr(settings, name) for name in names - {"layout", "weights", "learning_rate"}}
    return Configuration(
        **same,
        layout=layout,
        weights=settings.weights if settings.weights in _NO_FILE else Path(settings.weights).name,
        frozen=settings.frozen,
        learning_rate=settings.learning_rate or _usual_rate(settings),
    )


def _usual_rate(settings: FitSettings) -> float:
    if not settings.frozen:
        return _WHOLE_LEARNING_RATE
    return _RAW_LEARNING_RATE if settings.augment else _HEAD_LEARNING_RATE[settings.head]


def _weights_sha256(settings: FitSettings) -> str | None:
    return None if settings.weights in _NO_FILE else file_sha256(Path(settings.weights))


def _record(
    settings: FitSettings,
    configuration: Configuration,
    dataset: DataSet,
    material: Material,
    fitted: Fitted,
    validation: Validation,
    total_s: float,
) -> Run:
    seconds = {
        "features": fitted.features_s,
        "epochs": fitted.epochs_s,
        "fine_tune": fitted.fine_tune_s,
        "total": total_s,
    }
    return Run(
        schema=SCHEMA,
        run_id=str(uuid.uuid4()),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        configuration=configuration,
        decode=material.spec,
        labels=dataset.labels,
        clean_label=settings.clean_label,
        data=str(dataset.root.resolve()),
        data_sha256=material.data_sha256,
        split=material.split,
        best_epoch=fitted.best_epoch,
        validation=validation,
        seconds={step: round(value, 2) for step, value in seconds.items()},
        versions=versions_of(cv2, keras, np, sklearn, tf),
        commit=commit(),
        model_sha256=file_sha256(settings.out / MODEL_FILE),
    )
