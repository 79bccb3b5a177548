"""Stages of a fit: the head alone on cached features, or layers of the whole model on frames."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from stripwatch.export.runs.run_folder import HISTORY_FILE, MODEL_FILE, MODEL_PART, Configuration
from stripwatch.training.fitting.checkpoint import Checkpoint, restore, state_path
from stripwatch.training.fitting.features.changed_copies import cache_copies, marked_cells, with_copies
from stripwatch.training.fitting.features.feature_cache import Features
from stripwatch.training.fitting.features.frame_features import PREDICT_BATCH, FeatureFiles, cache_features, read_cached
from stripwatch.training.fitting.optimizers import class_weight, compile_model, rate_callbacks
from stripwatch.training.fitting.training_defaults import FINE_TUNE_DECAY
from stripwatch.training.fitting.training_history import FINE_TUNE, Row, TrainingHistory, read_history
from stripwatch.training.networks.classifier import Classifier, FeatureScale, on_scaled_features, thaw
from stripwatch.training.networks.joined_maps import map_widths
from stripwatch.training.preparation.finding import counted
from stripwatch.training.preparation.input_pipeline import read_batches, shuffled_batches
from stripwatch.training.preparation.prepared_data import PreparedData, Subset
from stripwatch.worker.common.errors import InputError

_SCALE_FRAMES = 256
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
    if not state_path(job.folder, FINE_TUNE).exists():
        if job.feature_files is not None:
            train, validation = _compute_features(job, job.feature_files)
            features_s = time.perf_counter() - started
            rows = _fit_head(job, stage, train, validation)
        elif configuration.frozen:
            rows = _fit_head_on_frames(job, stage, rows)
        else:
            rows = _fit_frames(job, job.classifier.fit_whole, stage, rows, lambda: save_model(job))
    main_s = time.perf_counter() - started
    if configuration.fine_tune:
        thaw(job.classifier.backbone, configuration.fine_tune_from)
        stage = TrainingStage(FINE_TUNE, configuration.fine_tune, configuration.fine_tune_rate)
        rows = _fit_frames(job, job.classifier.fit_whole, stage, rows, lambda: save_model(job))
    best_epoch = TrainingHistory(history, configuration, rows).best_epoch
    return TrainingOutcome(best_epoch, features_s, main_s - features_s, time.perf_counter() - started - main_s)


def _compute_features(job: TrainingJob, files: FeatureFiles) -> tuple[Features, Features]:
    """Return the features of the training frames with their changed copies, and of the validation frames."""
    cache_features(files, job.classifier.features, job.data, job.progress)
    if files.copies is not None:
        cache_copies(files.copies, job.classifier.features, job.data, job.progress)
    train, validation = read_cached(files.head, job.data)
    return with_copies(train, files.copies, job.data), validation


def _fit_head(job: TrainingJob, stage: TrainingStage, train: Features, validation: Features) -> list[Row]:
    """Fit the head on features. Epochs are short, so the model is saved only once, with the best weights.

    train: of the frames, followed by those of their changed copies.
    """
    configuration, prepared, scorer = job.configuration, job.data, job.classifier.fit_scorer
    scale = FeatureScale.of(train, _widths(job)) if configuration.scale_features else FeatureScale.none()
    _reset_linear(job)
    steps = _steps(configuration, len(train), stage)
    compile_model(scorer, configuration, stage.learning_rate, steps, _HEAD_STEPS_AT_ONCE)
    best: list[NDArray[np.float32]] = []

    def keep() -> None:
        best[:] = scorer.get_weights()

    log = TrainingHistory(
        job.folder / HISTORY_FILE, configuration, [], stage.name, keep, _advance(job.progress, stage, steps)
    )
    scorer.fit(
        _inputs(job, prepared.train, scale.apply(train)),
        np.tile(prepared.train.targets, (len(train) // len(prepared.train.targets), 1)),
        validation_data=(_inputs(job, prepared.validation, scale.apply(validation)), prepared.validation.targets),
        batch_size=configuration.batch,
        validation_batch_size=_HEAD_PREDICT_BATCH,
        epochs=stage.epochs,
        class_weight=class_weight(configuration, prepared.train.targets),
        callbacks=[log, *rate_callbacks(configuration)],
        verbose=0,
    )
    scorer.set_weights(best)
    _fold(job, scale)
    save_model(job)
    return log.rows


def _inputs(job: TrainingJob, part: Subset, features: Features) -> Features | list[Features]:
    """Return the inputs of fit_scorer: features, and cell targets for the dense head."""
    cells = job.classifier.cell_targets
    if cells is None:
        return features
    files = job.feature_files.copies if job.feature_files and part is job.data.train else None
    return [features, marked_cells(job.data, part, cells, files)]


def _fit_head_on_frames(job: TrainingJob, stage: TrainingStage, rows: list[Row]) -> list[Row]:
    """Fit the head on frames that are read in each epoch, as _fit_head does on features that are computed once."""
    scale = _sampled_scale(job) if job.configuration.scale_features else FeatureScale.none()
    model, first = on_scaled_features(job.classifier, scale), job.classifier.first
    _reset_linear(job)

    def save() -> None:
        weights = first.get_weights()
        _fold(job, scale)
        save_model(job)
        first.set_weights(weights)

    rows = _fit_frames(job, model, stage, rows, save)
    _fold(job, scale)
    return rows


def _sampled_scale(job: TrainingJob) -> FeatureScale:
    """Return the scale of the features of some training frames, which are the same if the fit is resumed."""
    train = job.data.train
    chosen = np.unique(np.linspace(0, len(train.files) - 1, _SCALE_FRAMES).round().astype(int)).tolist()
    part = Subset([train.files[at] for at in chosen], train.targets[chosen], train.labels)
    features = predict(job.classifier.features, job.data, part, job.progress, "scale of the features")
    return FeatureScale.of(features, _widths(job))


def _widths(job: TrainingJob) -> Sequence[int]:
    """Return the number of features of each feature map, for a head that averages them."""
    return map_widths(job.classifier.backbone) if job.configuration.head == "gap" else ()


def _reset_linear(job: TrainingJob) -> None:
    """Set the weights of a linear head to zero: it needs no random start, and would keep part of it."""
    if job.configuration.head == "gap":
        first = job.classifier.first
        first.set_weights([np.zeros_like(weight) for weight in first.get_weights()])


def _fold(job: TrainingJob, scale: FeatureScale) -> None:
    """Make the head read features that are not scaled."""
    first = job.classifier.first
    first.set_weights(scale.fold(*first.get_weights()))


def _fit_frames(
    job: TrainingJob, model: keras.Model, stage: TrainingStage, rows: list[Row], save: Callable[[], None]
) -> list[Row]:
    """Fit all trainable layers of a model, reading the frames in each epoch. save: called after the best epoch."""
    configuration, prepared = job.configuration, job.data
    train, validation, spec, batch = prepared.train, prepared.validation, prepared.spec, configuration.batch
    cells, steps = job.classifier.cell_targets, _steps(configuration, len(train.files), stage)
    gentle = msgspec.structs.replace(configuration, weight_decay=FINE_TUNE_DECAY)
    compile_model(model, gentle if stage.name == FINE_TUNE else configuration, stage.learning_rate, steps)
    done = restore(model, job.folder, stage.name, steps // stage.epochs)
    before = [row for row in rows if row["stage"] != stage.name]
    rows = rows[: len(before) + done]  # the history may contain one epoch more than the checkpoint
    log = TrainingHistory(
        job.folder / HISTORY_FILE, configuration, rows, stage.name, save, _advance(job.progress, stage, steps)
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


def _advance(progress: Progress, stage: TrainingStage, steps: int) -> Callable[[int], None]:
    task = progress.add_task(f"{stage.name}, {counted(stage.epochs, 'epoch')}", total=steps)
    return lambda finished: progress.advance(task, finished)


def _steps(configuration: Configuration, frames: int, stage: TrainingStage) -> int:
    return -(-frames // configuration.batch) * stage.epochs
