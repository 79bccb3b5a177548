"""The stages of a fit: the head alone on features that are computed once, or layers of the whole on frames."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.progress import Progress

from stripwatch.export.runs.run_folder import HISTORY_FILE, MODEL_FILE, MODEL_PART, Configuration
from stripwatch.training.fitting.checkpoint import Checkpoint, restore, state_path
from stripwatch.training.fitting.feature_cache import Features, read_features, write_features
from stripwatch.training.fitting.optimizers import FINE_TUNE_DECAY, class_weight, compile_model, rate_callbacks
from stripwatch.training.fitting.training_history import Row, TrainingHistory, read_history
from stripwatch.training.networks.classifier import Classifier, FeatureScale, thaw
from stripwatch.training.preparation.input_pipeline import cell_batches, read_batches, shuffled_batches
from stripwatch.training.preparation.prepared_data import PreparedData, Subset, join_subsets
from stripwatch.worker.common.errors import InputError

_FINE_TUNE = "fine-tune"
_HEAD_STEPS_AT_ONCE, _HEAD_PREDICT_BATCH = 8, 256  # a step of a head is shorter than the way to it
_PREDICT_BATCH = 32  # whatever a step takes: 64 frames of VGG19 at 224x224 already fill 800 MB a layer


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """All that a stage needs. kept: the model that is written, in float32.

    features_file: where the features lie or will; None where frames are read again each epoch.
    """

    classifier: Classifier
    kept: keras.Model
    data: PreparedData
    configuration: Configuration
    folder: Path
    features_file: Path | None
    progress: Progress


@dataclass(frozen=True, slots=True)
class TrainingStage:
    """name: as the history calls it."""

    name: str
    epochs: int
    learning_rate: float


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """features_s: the one pass of a frozen backbone over all frames; 0 where there was none."""

    best_epoch: int
    features_s: float
    epochs_s: float
    fine_tune_s: float


def fit_model(job: TrainingJob) -> TrainingOutcome:
    """Every stage, one after the other. Goes on from what lies in the folder; the best epoch so far is always there.

    Raises DataError for a loss that is no number, InputError when the folder cannot be written.
    """
    configuration, features_s = job.configuration, 0.0
    history = job.folder / HISTORY_FILE
    rows = read_history(history) if history.exists() else []
    started = time.perf_counter()
    stage = TrainingStage("head" if configuration.frozen else "all", configuration.epochs, configuration.learning_rate)
    if not state_path(job.folder, _FINE_TUNE).exists():
        if job.features_file is not None:
            train, validation = _features(job, job.features_file)
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


def _features(job: TrainingJob, file: Path) -> tuple[Features, Features]:
    """Of the training and of the validation frames, float32 [n, ...]; those that were kept before, if any."""
    material, model = job.data, job.classifier.features
    frames = material.split.train + material.split.validation
    order = sorted(range(len(frames)), key=lambda at: frames[at].name)  # whatever the split, the file is the same
    if not file.exists():
        every = join_subsets(material.train, material.validation, order)
        write_features(file, _predicted(model, job, every), (len(frames), *model.output_shape[1:]))
    kept, row = read_features(file), np.argsort(order)
    split_at = len(material.split.train)
    return kept[row[:split_at]], kept[row[split_at:]]


def _predicted(model: keras.Model, job: TrainingJob, part: Subset) -> Iterator[Features]:
    batches = read_batches(part, job.data.spec, _PREDICT_BATCH)
    task = job.progress.add_task("features", total=len(part.files))
    for frames, _ in batches:
        yield np.asarray(model.predict_on_batch(frames), np.float32)
        job.progress.advance(task, len(frames))


def _fit_head(job: TrainingJob, stage: TrainingStage, train: Features, validation: Features) -> list[Row]:
    """An epoch takes a moment; the model is written once, with the best one."""
    configuration, material, scorer = job.configuration, job.data, job.classifier.fit_scorer
    scale = FeatureScale.of(train) if configuration.scale_features else FeatureScale.none()
    first = job.classifier.first
    if configuration.head == "gap":  # a linear layer needs no chance to begin with, and keeps some of it to the end
        first.set_weights([np.zeros_like(weight) for weight in first.get_weights()])
    compile_model(scorer, configuration, stage.learning_rate, _steps(job, stage), _HEAD_STEPS_AT_ONCE)
    best: list[NDArray[np.float32]] = []

    def keep() -> None:
        best[:] = scorer.get_weights()

    log = TrainingHistory(job.folder / HISTORY_FILE, configuration, [], stage.name, keep, _advance(job, stage))
    scorer.fit(
        _inputs(job, material.train, scale.apply(train)),
        material.train.targets,
        validation_data=(_inputs(job, material.validation, scale.apply(validation)), material.validation.targets),
        batch_size=configuration.batch,
        validation_batch_size=_HEAD_PREDICT_BATCH,
        epochs=stage.epochs,
        class_weight=class_weight(configuration, material.train.targets),
        callbacks=[log, *rate_callbacks(configuration)],
        verbose=0,
    )
    scorer.set_weights(best)
    first.set_weights(scale.fold(*first.get_weights()))
    save_model(job)
    return log.rows


def _inputs(job: TrainingJob, part: Subset, features: Features) -> Features | list[Features]:
    """What the fitted part of the classifier takes."""
    places = job.classifier.cell_targets
    if places is None:
        return features
    batches = cell_batches(part, job.data.spec, _PREDICT_BATCH, places)
    return [features, np.concatenate(list(batches.as_numpy_iterator()))]


def _fit_frames(job: TrainingJob, stage: TrainingStage, rows: list[Row]) -> list[Row]:
    """Fit whatever layers are trainable, reading the frames again each epoch."""
    configuration, material, model = job.configuration, job.data, job.classifier.fit_whole
    train, validation, spec, batch = material.train, material.validation, material.spec, configuration.batch
    places = job.classifier.cell_targets
    gentle = msgspec.structs.replace(configuration, weight_decay=FINE_TUNE_DECAY)
    compile_model(model, gentle if stage.name == _FINE_TUNE else configuration, stage.learning_rate, _steps(job, stage))
    done = restore(model, job.folder, stage.name, _steps(job, stage) // stage.epochs)
    before = [row for row in rows if row["stage"] != stage.name]
    rows = rows[: len(before) + done]  # of an epoch whose state was not kept there may be one more
    log = TrainingHistory(
        job.folder / HISTORY_FILE, configuration, rows, stage.name, lambda: save_model(job), _advance(job, stage)
    )
    model.fit(
        shuffled_batches(train, spec, batch, configuration.seed, configuration.augment, places),
        shuffle=False,  # the batches are in a new order already
        validation_data=read_batches(validation, spec, batch, places),
        initial_epoch=done,
        epochs=stage.epochs,
        class_weight=class_weight(configuration, train.targets),
        callbacks=[log, Checkpoint(job.folder, stage.name), *rate_callbacks(configuration)],
        verbose=0,
    )
    return log.rows


def predict(model: keras.Model, material: PreparedData, part: Subset, progress: Progress, title: str) -> Features:
    """What the model says of each frame of a part, in order."""
    batches = read_batches(part, material.spec, _PREDICT_BATCH)
    task = progress.add_task(title, total=len(batches))
    advance = keras.callbacks.LambdaCallback(on_predict_batch_end=lambda *_, **__: progress.advance(task))
    found: Features = model.predict(batches, callbacks=[advance], verbose=0)
    return found


def save_model(job: TrainingJob) -> None:
    """Write model.keras, without the optimizer's state, whole or not at all. Raises InputError."""
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
