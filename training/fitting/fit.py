"""Fit of a classifier, from a data folder to a run folder."""

import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import keras
import msgspec
import numpy as np
import sklearn
import tensorflow as tf
from rich.progress import Progress

from stripwatch.export.runs.claim_folder import claim_folder, require_free
from stripwatch.export.runs.keras_model import load_model
from stripwatch.export.runs.provenance import commit, versions_of
from stripwatch.export.runs.run_folder import (
    MODEL_FILE,
    SCHEMA,
    AnnotationFacts,
    ChosenDefaults,
    Configuration,
    FitPrecision,
    HeatmapFacts,
    NoveltyFacts,
    Run,
    file_sha256,
    write_run,
)
from stripwatch.training.annotations.annotations import Annotations, annotations_sha256
from stripwatch.training.annotations.reading import AnnotationSet, read_annotations
from stripwatch.training.datasets.dataset import DataSet, for_task, read_dataset, require_folder
from stripwatch.training.evaluation.localization import map_facts
from stripwatch.training.evaluation.scores import measure_scores
from stripwatch.training.findings.checks import FitCheck
from stripwatch.training.fitting import checkpoint
from stripwatch.training.fitting.checkpoint import FitIdentity
from stripwatch.training.fitting.devices import choose_precision, device_scope, explain_oom, limit_threads
from stripwatch.training.fitting.features.feature_cache import features_name, keepable, taps_name
from stripwatch.training.fitting.features.frame_features import CopyFiles, FeatureFiles, TapFile
from stripwatch.training.fitting.fit_anomaly import fit_anomaly
from stripwatch.training.fitting.fit_settings import (
    FitSettings,
    check,
    chosen_defaults,
    describe_training,
    to_configuration,
)
from stripwatch.training.fitting.memory_estimate import check_memory, free_bytes
from stripwatch.training.fitting.novelty_stage import read_taps, write_novelty
from stripwatch.training.fitting.train_loop import TrainingJob, TrainingOutcome, fit_model, predict
from stripwatch.training.networks.backbone import build_backbone, require_weights
from stripwatch.training.networks.catalog import find_network
from stripwatch.training.networks.classifier import Classifier, build_classifier, find_start
from stripwatch.training.networks.heads import OutputSpec
from stripwatch.training.novelty.taps import choose_taps
from stripwatch.training.preparation.prepared_data import PreparedData, SplitPlan, annotations_finder, prepare_data
from stripwatch.worker.common.errors import InputError, run_checks
from stripwatch.worker.common.folders import make_folder, require_outside
from stripwatch.worker.common.path_text import path_text
from stripwatch.worker.common.terminal.console import new_progress, say
from stripwatch.worker.contracts.model_record import Validation
from stripwatch.worker.contracts.timestamps import utc_now
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.images.image_files import CONTENT_TYPES
from stripwatch.worker.model.trained_range import Range, TrainedFrames


@dataclass(frozen=True, slots=True)
class _FitPlan:
    """Everything that is decided before the first frame is read.

    kept: the model that is saved, in float32. from_features: fit the head on features that are computed once, because
    they are constant and fit into memory. chosen: options that were not given. notes: messages for the person who
    trains.
    """

    settings: FitSettings
    dataset: DataSet
    annotations: AnnotationSet | None
    spec: DecodeSpec
    classifier: Classifier
    kept: keras.Model
    configuration: Configuration
    from_features: bool
    chosen: ChosenDefaults
    commit: str | None
    notes: list[str]

    @property
    def marks(self) -> Mapping[str, Annotations] | None:
        """Return the annotations by image name, or None if none are used."""
        return None if self.annotations is None else self.annotations.marks


def fit(settings: FitSettings) -> Run:
    """Train a classifier and write its run folder, with run.json as the last file.

    Not thread-safe, because Keras and its random seed are global to the process.

    Args:
        settings: The data, the network, the training options, and the run folder.

    Returns:
        The content of run.json, with labels, split, accuracy on the validation frames (0 to 1) and times in seconds.

    Raises:
        SettingsError: A setting is invalid, or settings are incompatible. Raised before the first epoch.
        InputError: The data folder or a file is missing, or the run folder is in use. Raised before the first epoch.
        DataError: The data cannot be used for training, or the loss is not a number.

    Example:
        >>> from pathlib import Path
        >>> from stripwatch.training import FitSettings, fit
        >>> run = fit(FitSettings(Path("images"), Path("runs/first"), network="mobilenet", alpha=0.25))
        >>> run.validation.accuracy
        0.9861
    """
    if settings.task == "anomaly":
        return fit_anomaly(settings)
    started = time.perf_counter()
    keras.utils.set_random_seed(settings.seed)
    plan = _plan(settings)
    claim_folder(settings.out, settings.resume)
    with new_progress() as progress:
        job = _begin(plan, progress)
        with explain_oom(settings.batch):
            fitted = fit_model(job)
        model = load_model(settings.out)  # measure the saved model, not the one in memory
        scores = predict(model, job.data, job.data.validation, progress, "validating")
        heatmaps = map_facts(model, plan.classifier.backbone, plan.configuration.head, job.data, progress)
        novelty = _fit_novelty(settings, model, job)
    targets = job.data.validation.targets
    validation = measure_scores(plan.dataset.labels, targets, scores, settings.task)
    run = _record(plan, job.data, fitted, validation, heatmaps, novelty, time.perf_counter() - started)
    checkpoint.clear(settings.out)
    write_run(settings.out, run)
    return run


def check_settings(settings: FitSettings) -> None:
    """Raise an error with everything that is wrong with the settings, without the data and the layers of the network.

    Raises SettingsError or InputError for invalid settings, missing files and a run folder that is in use.
    """
    run_checks(
        [
            partial(check, settings),
            partial(find_network, settings.network),
            partial(require_weights, settings.weights),
            *(partial(require_folder, folder) for folder in (settings.data, *settings.also)),
            partial(_require_files, settings),
            partial(require_free, settings.out, settings.resume),
        ]
    )


def _require_files(settings: FitSettings) -> None:
    for option, path in (("--boxes", settings.boxes), ("--split", settings.split)):
        if path is not None and not os.path.exists(path):  # noqa: PTH110 - false for a name that is too long
            raise InputError(f"{option} {path} does not exist")


def check_fit(settings: FitSettings, found: DataSet) -> None:
    """Raise what a fit would raise before its first epoch, except for what depends on the content of the images.

    found: the data set as read by `read_dataset`.
    """
    check_settings(settings)
    _plan_for(settings, found)


def _plan(settings: FitSettings) -> _FitPlan:
    for option, path in (("--out", settings.out), ("--cache", settings.cache)):
        require_outside(option, path, [settings.data, *settings.also])
    check_settings(settings)
    found = read_dataset(settings.data, settings.layout, settings.also, settings.merge_labels)
    for note in found.notes:
        say(note)
    plan = _plan_for(settings, found)
    for note in plan.notes:
        say(note)
    return plan


def _plan_for(settings: FitSettings, found: DataSet) -> _FitPlan:
    dataset, clean_label = for_task(found, settings.task, settings.clean_label)
    settings = replace(settings, clean_label=clean_label)
    notes: list[str] = []
    wants_marks = settings.head == "dense" or settings.boxes is not None
    annotations = _read_marks(settings, dataset, notes) if wants_marks else None
    limit_threads()
    precision = choose_precision(settings.precision)
    spec, classifier = _build(settings, dataset, precision)
    notes += _scale_notes(spec, dataset)
    fitted = _fitted_layers(settings, classifier.backbone)
    if not tf.config.list_physical_devices("GPU"):  # a GPU reports when its memory is full
        check_memory(fitted, settings.batch, free_bytes())
    kept = classifier.whole if precision == "float32" else _build(settings, dataset, "float32")[1].whole
    from_features = _from_features(settings, classifier, len(dataset.samples), notes)
    copies = settings.copies if from_features else 0
    configuration, chosen = to_configuration(settings, dataset.layout, precision, copies), chosen_defaults(settings)
    notes.append(describe_training(configuration, chosen))
    return _FitPlan(
        settings, dataset, annotations, spec, classifier, kept, configuration, from_features, chosen, commit(), notes
    )


def _from_features(settings: FitSettings, classifier: Classifier, frames: int, notes: list[str]) -> bool:
    """Return whether the head is fitted on features that are computed once."""
    if not settings.frozen or (settings.augment and not settings.copies):
        return False
    fits = keepable(classifier.features, frames * (1 + settings.copies))
    if not fits:
        of = f"all frames and {settings.copies} changed copies of each" if settings.copies else "all frames"
        notes.append(f"note: the features of {of} do not fit into memory, so the frames are read in each epoch")
    return fits


def _read_marks(settings: FitSettings, dataset: DataSet, notes: list[str]) -> AnnotationSet:
    found = read_annotations(dataset, settings.boxes, settings.boxes_format, settings.clean_label)
    notes += found.notes
    return found


def _build(settings: FitSettings, dataset: DataSet, precision: FitPrecision) -> tuple[DecodeSpec, Classifier]:
    network = find_network(settings.network)
    spec = settings.decode_spec(network.side_px)
    labels, clean = dataset.labels, settings.clean_label
    outputs = OutputSpec(len(labels), settings.label_task, labels.index(clean) if clean in labels else None)
    with device_scope(precision):
        backbone = build_backbone(
            network, (spec.height_px, spec.width_px, 3), settings.alpha, settings.weights, settings.cut
        )
        parts = build_classifier(
            network, backbone, outputs, settings.dropout, settings.frozen, settings.head, spec.channels
        )
    return spec, parts


def _scale_notes(spec: DecodeSpec, dataset: DataSet) -> list[str]:
    """Return a note if scaled decoding is selected and some files are not JPEG."""
    others = sum(CONTENT_TYPES.get(Path(sample.name).suffix.lower()) != "image/jpeg" for sample in dataset.samples)
    if spec.jpeg_scale == 1 or not others:
        return []
    return [
        f"note: {others} of {len(dataset.samples)} files are not JPEG, but --decode {spec.name} only shrinks JPEG "
        "files; train on files in the format that the cameras send"
    ]


def _fitted_layers(settings: FitSettings, backbone: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers of the backbone whose weights the fit changes. Raises what find_start raises."""
    if not settings.frozen:
        return list(backbone.layers)
    return list(backbone.layers[find_start(backbone, settings.fine_tune_from) :]) if settings.fine_tune else []


def _begin(plan: _FitPlan, progress: Progress) -> TrainingJob:
    """Read the data and record the identity of the fit in the run folder."""
    settings, configuration = plan.settings, plan.configuration
    task = progress.add_task("reading", total=len(plan.dataset.samples))
    split = SplitPlan(
        settings.val_share, settings.seed, settings.task == "multiclass", settings.split, settings.levels == "auto"
    )
    finder = None if plan.marks is None else annotations_finder(plan.marks, settings.clean_label)
    data_check = FitCheck(plan.dataset, settings.task, settings.clean_label, plan.annotations, settings.split)
    prepared = prepare_data(plan.dataset, plan.spec, split, lambda: progress.advance(task), finder, data_check)
    weights_sha256 = file_sha256(settings.weights_file) if settings.weights_file else None
    marks = None if plan.marks is None else annotations_sha256(plan.marks)
    checkpoint.begin(
        settings.out, FitIdentity(configuration, prepared.data_sha256, weights_sha256, marks, prepared.spec)
    )
    if settings.cache is not None:
        make_folder(settings.cache)
    name = features_name(configuration, prepared.spec, prepared.data_sha256, weights_sha256)
    files = _feature_files(plan, settings.cache or settings.out, name) if plan.from_features else None
    return TrainingJob(plan.classifier, plan.kept, prepared, configuration, settings.out, files, progress)


def _feature_files(plan: _FitPlan, folder: Path, name: str) -> FeatureFiles:
    """Return the files of cached features. Fine-tuning changes the features that the novelty detector reads."""
    settings, copies = plan.settings, None
    if plan.configuration.augment_copies:
        shared = settings.cache is not None
        copies = CopyFiles.of(folder / name, plan.configuration.augment_copies, settings.seed, shared)
    tap_file = None
    if settings.novelty_false_alarms is not None and not settings.fine_tune:
        taps = choose_taps(plan.classifier.backbone)
        tap_file = TapFile(folder / taps_name(name, taps.positions, taps.statistics), taps)
    return FeatureFiles(folder / name, tap_file, copies)


def _fit_novelty(settings: FitSettings, model: keras.Model, job: TrainingJob) -> NoveltyFacts | None:
    """Fit the novelty detector unless it is disabled."""
    rate = settings.novelty_false_alarms
    if rate is None:
        return None
    columns = read_taps(model, job.data, job.feature_files, job.progress)
    return write_novelty(settings.out, columns, job.data, rate, settings.seed, job.progress)


def _record(
    plan: _FitPlan,
    prepared: PreparedData,
    fitted: TrainingOutcome,
    validation: Validation,
    heatmaps: HeatmapFacts | None,
    novelty: NoveltyFacts | None,
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
        created_at=utc_now(),
        configuration=plan.configuration,
        decode=prepared.spec,
        labels=plan.dataset.labels,
        clean_label=plan.settings.clean_label,
        data=path_text(plan.dataset.root.resolve()),
        data_sha256=prepared.data_sha256,
        split=prepared.split,
        best_epoch=fitted.best_epoch,
        validation=validation,
        seconds={step: round(value, 2) for step, value in seconds.items()},
        versions=versions_of(cv2, keras, np, sklearn, tf),
        commit=plan.commit,
        model_sha256=file_sha256(plan.settings.out / MODEL_FILE),
        heatmaps=heatmaps,
        marks=_marks_facts(plan),
        trained=_trained(plan.settings, prepared),
        novelty=novelty,
        files=plan.dataset.files,
        defaults=plan.chosen,
    )


def _trained(settings: FitSettings, prepared: PreparedData) -> TrainedFrames:
    scale = Range.of(settings.mm_per_px) if settings.mm_per_px else None
    return msgspec.structs.replace(prepared.trained, mm_per_px=scale)


def _marks_facts(plan: _FitPlan) -> AnnotationFacts | None:
    if plan.marks is None:
        return None
    path: Path | None = plan.settings.boxes
    return AnnotationFacts(path_text(path.resolve()) if path else None, annotations_sha256(plan.marks), len(plan.marks))
