"""The stages of a fit: the head alone on features that are computed once, or layers of the whole on frames."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from export.runfolder import HISTORY_FILE, MODEL_FILE, MODEL_PART, Configuration
from training.checkpoint import Checkpoint, keep_features, kept_features, restore, state_path
from training.classifier import Classifier, FeatureScale, thaw
from training.epochs import EpochLog, Row, read_history
from training.material import Material, Part
from training.optimise import class_weight, compile_model, rate_callbacks
from training.pipeline import read_batches, shuffled_batches
from worker.errors import InputError

_FINE_TUNE = "fine-tune"
_PREDICT_BATCH = 32  # whatever a step takes: 64 frames of VGG19 at 224x224 already fill 800 MB a layer


@dataclass(frozen=True, slots=True)
class Job:
    """All that a stage needs."""

    classifier: Classifier
    material: Material
    configuration: Configuration
    folder: Path
    progress: Progress


@dataclass(frozen=True, slots=True)
class Stage:
    """name: as the history calls it."""

    name: str
    epochs: int
    learning_rate: float


@dataclass(frozen=True, slots=True)
class Fitted:
    """features_s: the one pass of a frozen backbone over all frames; 0 where there was none."""

    best_epoch: int
    features_s: float
    epochs_s: float
    fine_tune_s: float


def fit_model(job: Job) -> Fitted:
    """Every stage, one after the other. Goes on from what lies in the folder; the best epoch so far is always there.

    Raises DataError for a loss that is no number, InputError when the folder cannot be written.
    """
    configuration, features_s = job.configuration, 0.0
    history = job.folder / HISTORY_FILE
    rows = read_history(history) if history.exists() else []
    started = time.perf_counter()
    stage = Stage("head" if configuration.frozen else "all", configuration.epochs, configuration.learning_rate)
    if not state_path(job.folder, _FINE_TUNE).exists():
        if configuration.frozen and not configuration.augment:
            train, validation = _features(job)
            features_s = time.perf_counter() - started
            rows = _fit_head(job, stage, train, validation)
        else:
            rows = _fit_frames(job, stage, rows)
    main_s = time.perf_counter() - started
    if configuration.fine_tune:
        thaw(job.classifier.backbone, configuration.fine_tune_from)
        rows = _fit_frames(job, Stage(_FINE_TUNE, configuration.fine_tune, configuration.fine_tune_rate), rows)
    best_epoch = EpochLog(history, configuration, rows).best_epoch
    return Fitted(best_epoch, features_s, main_s - features_s, time.perf_counter() - started - main_s)


def _features(job: Job) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Of the training and of the validation frames, float32 [n, f]; those that a killed fit kept, if any."""
    material, train_frames = job.material, len(job.material.train.files)
    kept = kept_features(job.folder)
    if kept is None:
        parts = {"features, training": material.train, "features, validation": material.validation}
        model = job.classifier.features
        kept = np.concatenate([predict(model, material, part, job.progress, title) for title, part in parts.items()])
        keep_features(job.folder, kept)
    return kept[:train_frames], kept[train_frames:]


def _fit_head(job: Job, stage: Stage, train: NDArray[np.float32], validation: NDArray[np.float32]) -> list[Row]:
    """An epoch takes a moment; the model is written once, with the best one."""
    configuration, material, scorer = job.configuration, job.material, job.classifier.scorer
    scale = FeatureScale.of(train) if configuration.scale_features else FeatureScale.none(train)
    compile_model(scorer, configuration, stage.learning_rate, _steps(job, stage))
    best: list[NDArray[np.float32]] = []

    def keep() -> None:
        best[:] = scorer.get_weights()

    log = EpochLog(job.folder / HISTORY_FILE, configuration, [], stage.name, keep, _advance(job, stage))
    scorer.fit(
        scale.apply(train),
        material.train.targets,
        validation_data=(scale.apply(validation), material.validation.targets),
        batch_size=configuration.batch,
        epochs=stage.epochs,
        class_weight=class_weight(configuration, material.train.targets),
        callbacks=[log, *rate_callbacks(configuration)],
        verbose=0,
    )
    scorer.set_weights(best)
    first = job.classifier.first
    first.set_weights(scale.fold(*first.get_weights()))
    save_model(job.classifier.whole, job.folder)
    return log.rows


def _fit_frames(job: Job, stage: Stage, rows: list[Row]) -> list[Row]:
    """Fit whatever layers are trainable, reading the frames anew each epoch."""
    configuration, material, model = job.configuration, job.material, job.classifier.whole
    train, validation, spec, batch = material.train, material.validation, material.spec, configuration.batch
    compile_model(model, configuration, stage.learning_rate, _steps(job, stage))
    done = restore(model, job.folder, stage.name, _steps(job, stage) // stage.epochs)
    before = [row for row in rows if row["stage"] != stage.name]
    rows = rows[: len(before) + done]  # of an epoch whose state was not kept there may be one more
    log = EpochLog(
        job.folder / HISTORY_FILE,
        configuration,
        rows,
        stage.name,
        lambda: save_model(model, job.folder),
        _advance(job, stage),
    )
    model.fit(
        shuffled_batches(train.files, train.targets, spec, batch, configuration.seed, configuration.augment),
        shuffle=False,  # the batches are in a new order already
        validation_data=read_batches(validation.files, validation.targets, spec, batch),
        initial_epoch=done,
        epochs=stage.epochs,
        class_weight=class_weight(configuration, train.targets),
        callbacks=[log, Checkpoint(job.folder, stage.name), *rate_callbacks(configuration)],
        verbose=0,
    )
    return log.rows


def predict(model: keras.Model, material: Material, part: Part, progress: Progress, title: str) -> NDArray[np.float32]:
    """What the model says of each frame of a part, in order."""
    batches = read_batches(part.files, part.targets, material.spec, _PREDICT_BATCH)
    task = progress.add_task(title, total=len(batches))
    advance = keras.callbacks.LambdaCallback(on_predict_batch_end=lambda *_, **__: progress.advance(task))
    found: NDArray[np.float32] = model.predict(batches, callbacks=[advance], verbose=0)
    return found


def save_model(model: keras.Model, folder: Path) -> None:
    """Write model.keras, without the optimizer's state, whole or not at all. Raises InputError."""
    try:
        keras.Model(model.inputs, model.outputs).save(folder / MODEL_PART)
        (folder / MODEL_PART).replace(folder / MODEL_FILE)
    except OSError as error:
        raise InputError(f"cannot write {folder / MODEL_FILE}: {error.strerror or error}") from error


def _advance(job: Job, stage: Stage) -> Callable[[], None]:
    task = job.progress.add_task(f"{stage.name}, {stage.epochs} epochs", total=_steps(job, stage))
    return lambda: job.progress.advance(task)


def _steps(job: Job, stage: Stage) -> int:
    return -(-len(job.material.train.files) // job.configuration.batch) * stage.epochs
