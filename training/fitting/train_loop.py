"""Stages of a fit: the head alone on cached features, or layers of the whole model on frames."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from stripwatch.export.runs.run_folder import HISTORY_FILE, MODEL_FILE, MODEL_PART, Configuration
from stripwatch.training.fitting.checkpoint import Checkpoint, restore, state_path
from stripwatch.training.fitting.feature_cache import Features
from stripwatch.training.fitting.frame_features import PREDICT_BATCH, FeatureFiles, cache_features, read_cached
from stripwatch.training.fitting.optimizers import FINE_TUNE_DECAY, class_weight, compile_model, rate_callbacks
from stripwatch.training.fitting.training_history import Row, TrainingHistory, read_history
from stripwatch.training.networks.classifier import Classifier, FeatureScale, thaw
from stripwatch.training.preparation.input_pipeline import cell_batches, read_batches, shuffled_batches
from stripwatch.training.preparation.prepared_data import PreparedData, Subset
from stripwatch.worker.common.errors import InputError

_FINE_TUNE = "fine-tune"
_HEAD_STEPS_AT_ONCE, _HEAD_PREDICT_BATCH = 8, 256  # a step of a head is shorter than the overhead of starting it


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """Everything that a stage needs.

    kept: the model that is saved, in float32. feature_files: None if frames are read in each epoch.
    """

    classifier: Classifier
    kept: keras.Model
    data: PreparedData
    configuration: Configuration
    folder: Path
    feature_files: FeatureFiles | None
    progress: Progress


@dataclass(frozen=True, slots=True)
class TrainingStage:
    """A stage of a fit. name: as in history.csv."""

    name: str
    epochs: int
    learning_rate: float


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """Result of a fit. features_s: duration of computing the features of all frames; 0 if they were not computed."""

    best_epoch: int
    features_s: float
    epochs_s: float
    fine_tune_s: float


def fit_model(job: TrainingJob) -> TrainingOutcome:
    """Run all stages, continuing from checkpoints in the run folder, which always contains the best model so far.

    Raises DataError if the loss is not a number, InputError if the folder cannot be written.
    """
    configuration, features_s = job.configuration, 0.0
    history = job.folder / HISTORY_FILE
    rows = read_history(history) if history.exists() else []
    started = time.perf_counter()
    stage = TrainingStage("head" if configuration.frozen else "all", configuration.epochs, configuration.learning_rate)
    if not state_path(job.folder, _FINE_TUNE).exists():
        if job.feature_files is not None:
            cache_features(job.feature_files, job.classifier.features, job.data, job.progress)
            train, validation = read_cached(job.feature_files.head, job.data)
            features_s = time.perf_counter() - started
            rows = _fit_head(job, stage, train, validation)
        else:
            rows = _fit_frames(job, stage, rows)
    main_s = time.perf_counter() - started
    if configuration.fine_tune:
        thaw(job.classifier.backbone, configuration.fine_tune_from)
        rows = _fit_frames(job, TrainingStage(_FINE_TUNE, configuration.fine_tune, configuration.fine_tune_rate), rows)
    best_epoch = TrainingHistory(history, configuration, rows).best_epoch
    return TrainingOutcome(best_epoch, features_s, main_s - features_s, time.perf_counter() - started - main_s)


def _fit_head(job: TrainingJob, stage: TrainingStage, train: Features, validation: Features) -> list[Row]:
    """Fit the head on features. Epochs are short, so the model is saved only once, with the best weights."""
    configuration, prepared, scorer = job.configuration, job.data, job.classifier.fit_scorer
    scale = FeatureScale.of(train) if configuration.scale_features else FeatureScale.none()
    first = job.classifier.first
    if configuration.head == "gap":  # a linear layer needs no random start, and would keep part of it
        first.set_weights([np.zeros_like(weight) for weight in first.get_weights()])
    compile_model(scorer, configuration, stage.learning_rate, _steps(job, stage), _HEAD_STEPS_AT_ONCE)
    best: list[NDArray[np.float32]] = []

    def keep() -> None:
        best[:] = scorer.get_weights()

    log = TrainingHistory(job.folder / HISTORY_FILE, configuration, [], stage.name, keep, _advance(job, stage))
    scorer.fit(
        _inputs(job, prepared.train, scale.apply(train)),
        prepared.train.targets,
        validation_data=(_inputs(job, prepared.validation, scale.apply(validation)), prepared.validation.targets),
        batch_size=configuration.batch,
        validation_batch_size=_HEAD_PREDICT_BATCH,
        epochs=stage.epochs,
        class_weight=class_weight(configuration, prepared.train.targets),
        callbacks=[log, *rate_callbacks(configuration)],
        verbose=0,
    )
    scorer.set_weights(best)
    first.set_weights(scale.fold(*first.get_weights()))
    save_model(job)
    return log.rows


def _inputs(job: TrainingJob, part: Subset, features: Features) -> Features | list[Features]:
    """Return the inputs of fit_scorer: features, and cell targets for the dense head."""
    cells = job.classifier.cell_targets
    if cells is None:
        return features
    batches = cell_batches(part, job.data.spec, PREDICT_BATCH, cells)
    return [features, np.concatenate(list(batches.as_numpy_iterator()))]


def _fit_frames(job: TrainingJob, stage: TrainingStage, rows: list[Row]) -> list[Row]:
    """Fit all trainable layers, reading the frames in each epoch."""
    configuration, prepared, model = job.configuration, job.data, job.classifier.fit_whole
    train, validation, spec, batch = prepared.train, prepared.validation, prepared.spec, configuration.batch
    cells = job.classifier.cell_targets
    gentle = msgspec.structs.replace(configuration, weight_decay=FINE_TUNE_DECAY)
    compile_model(model, gentle if stage.name == _FINE_TUNE else configuration, stage.learning_rate, _steps(job, stage))
    done = restore(model, job.folder, stage.name, _steps(job, stage) // stage.epochs)
    before = [row for row in rows if row["stage"] != stage.name]
    rows = rows[: len(before) + done]  # the history may contain one epoch more than the checkpoint
    log = TrainingHistory(
        job.folder / HISTORY_FILE, configuration, rows, stage.name, lambda: save_model(job), _advance(job, stage)
    )
    model.fit(
        shuffled_batches(train, spec, batch, configuration.seed, configuration.augment, cells),
        shuffle=False,  # the batches are already shuffled
        validation_data=read_batches(validation, spec, batch, cells),
        initial_epoch=done,
        epochs=stage.epochs,
        class_weight=class_weight(configuration, train.targets),
        callbacks=[log, Checkpoint(job.folder, stage.name), *rate_callbacks(configuration)],
        verbose=0,
    )
    return log.rows


def predict(model: keras.Model, prepared: PreparedData, part: Subset, progress: Progress, title: str) -> Features:
    """Return the outputs of a model for each frame of a part, in order."""
    batches = read_batches(part, prepared.spec, PREDICT_BATCH)
    task = progress.add_task(title, total=len(batches))
    advance = keras.callbacks.LambdaCallback(on_predict_batch_end=lambda *_, **__: progress.advance(task))
    found: Features = model.predict(batches, callbacks=[advance], verbose=0)
    return found


def save_model(job: TrainingJob) -> None:
    """Write model.keras atomically, without the optimizer state. Raises InputError if it cannot be written."""
    if job.kept is not job.classifier.whole:
        job.kept.set_weights(job.classifier.whole.get_weights())
    part = job.folder / MODEL_PART
    try:
        keras.Model(job.kept.inputs, job.kept.outputs).save(part)
        part.replace(job.folder / MODEL_FILE)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(f"cannot write {job.folder / MODEL_FILE}: {error.strerror or error}") from error


def _advance(job: TrainingJob, stage: TrainingStage) -> Callable[[int], None]:
    task = job.progress.add_task(f"{stage.name}, {stage.epochs} epochs", total=_steps(job, stage))
    return lambda steps: job.progress.advance(task, steps)


def _steps(job: TrainingJob, stage: TrainingStage) -> int:
    return -(-len(job.data.train.files) // job.configuration.batch) * stage.epochs
