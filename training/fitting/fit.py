"""Fit of a classifier, from a data folder to a run folder."""

import time
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import keras
import msgspec
import numpy as np
import sklearn
import tensorflow as tf
from rich.progress import Progress

from stripwatch.export.runs.claim_folder import claimed_folder
from stripwatch.export.runs.facts.colour_facts import ColourFacts
from stripwatch.export.runs.facts.detector_facts import AnnotationFacts, BoxFacts, NoveltyFacts
from stripwatch.export.runs.facts.scale_facts import ScaleFacts
from stripwatch.export.runs.keras_model import BoxOutput, load_model
from stripwatch.export.runs.provenance import versions_of
from stripwatch.export.runs.run_folder import BOXES_FILE, MODEL_FILE, SCHEMA, HeatmapFacts, Run, file_sha256, write_run
from stripwatch.training.annotations.annotations import annotations_sha256
from stripwatch.training.evaluation.localization import choose_decoding, heatmap_facts
from stripwatch.training.evaluation.scores import measure_scores
from stripwatch.training.findings.checks import FitCheck
from stripwatch.training.fitting import checkpoint
from stripwatch.training.fitting.checkpoint import FitIdentity
from stripwatch.training.fitting.devices import explain_oom
from stripwatch.training.fitting.features.box_stage import fit_boxes
from stripwatch.training.fitting.features.feature_cache import features_name, taps_name
from stripwatch.training.fitting.features.frame_features import CopyFiles, FeatureFiles, TapFile
from stripwatch.training.fitting.features.scale_gate import choose_scale, possible_scales, refusal
from stripwatch.training.fitting.fit_anomaly import fit_anomaly
from stripwatch.training.fitting.fit_plan import FitPlan, plan_fit
from stripwatch.training.fitting.fit_settings import FitSettings
from stripwatch.training.fitting.novelty_stage import read_taps, write_novelty
from stripwatch.training.fitting.train_loop import TrainingJob, TrainingOutcome, fit_model, predict
from stripwatch.training.novelty.taps import choose_taps
from stripwatch.training.preparation.prepared_data import PreparedData, SplitPlan, annotations_finder, prepare_data
from stripwatch.worker.common.folders import make_folder
from stripwatch.worker.common.path_text import path_text
from stripwatch.worker.common.terminal.console import new_progress, say
from stripwatch.worker.contracts.model.model_record import Validation
from stripwatch.worker.contracts.timestamps import utc_now
from stripwatch.worker.model.trained_range import Range, TrainedFrames


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
    plan = plan_fit(settings)
    with claimed_folder(settings.out, settings.resume):
        return _fit(plan, started)


def _fit(plan: FitPlan, started: float) -> Run:
    """Fit, measure the saved model, and write the run folder. started: time of `perf_counter` when the fit began."""
    settings = plan.settings
    with new_progress() as progress:
        job, scale = _begin(plan, progress)
        with explain_oom(settings.batch):
            fitted = fit_model(job)
        model = load_model(settings.out)  # measure the saved model, not the one in memory
        scores = predict(model, job.data, job.data.validation, progress, "validating")
        locations = _fit_locations(plan, model, job)
        novelty = _fit_novelty(settings, model, job)
    targets = job.data.validation.targets
    validation = measure_scores(plan.dataset.labels, targets, scores, settings.label_task)
    run = _record(plan, job.data, fitted, validation, locations, novelty, scale, time.perf_counter() - started)
    checkpoint.clear(settings.out)
    write_run(settings.out, run)
    return run


def _begin(plan: FitPlan, progress: Progress) -> tuple[TrainingJob, ScaleFacts | None]:
    """Read the data, choose the scale of decoding, and record the identity of the fit in the run folder."""
    settings, configuration = plan.settings, plan.configuration
    task = progress.add_task("reading", total=len(plan.dataset.samples))
    split = SplitPlan(
        settings.val_share, settings.seed, settings.task == "multiclass", settings.split, settings.levels == "auto"
    )
    finder = None if plan.marks is None else annotations_finder(plan.marks, settings.clean_label)
    data_check = FitCheck(plan.dataset, settings.task, settings.clean_label, plan.annotations, settings.split)
    prepared = prepare_data(plan.dataset, plan.spec, split, lambda: progress.advance(task), finder, data_check)
    prepared, scale = _with_scale(plan, prepared, progress)
    weights_sha256 = file_sha256(settings.weights_file) if settings.weights_file else None
    marks = None if plan.marks is None else annotations_sha256(plan.marks)
    checkpoint.begin(
        settings.out,
        FitIdentity(configuration, prepared.data_sha256, weights_sha256, marks, prepared.spec, _colour_of(plan), scale),
    )
    if settings.cache is not None:
        make_folder(settings.cache)
    name = features_name(configuration, prepared.spec, prepared.data_sha256, weights_sha256)
    files = _feature_files(plan, settings.cache or settings.out, name) if plan.from_features else None
    return TrainingJob(plan.classifier, plan.kept, prepared, configuration, settings.out, files, progress), scale


def _with_scale(plan: FitPlan, prepared: PreparedData, progress: Progress) -> tuple[PreparedData, ScaleFacts | None]:
    """Test scaled JPEG decoding if that is to be done, and return the data with the decode spec that is used."""
    decode, task = plan.decode, plan.settings.label_task
    if decode is None or not decode.tests_scale:
        return prepared, decode.scale if decode else None
    scales = possible_scales(prepared)
    if not scales:
        return prepared, None
    if why := refusal(prepared, task):
        say(f"note: JPEG images are decoded at full size. Smaller scales were not tested: {why}")
        return prepared, None
    facts = choose_scale(plan.classifier.features, prepared, scales, task, plan.settings.seed, progress)
    spec = msgspec.structs.replace(prepared.spec, jpeg_scale=facts.scale)
    outcome = f"because /{facts.scale} passed" if facts.scale > 1 else "because no scale passed"
    say(f"decode: {spec.name}, {outcome} the test of scaled decoding ({facts.text})")
    return replace(prepared, spec=spec), facts


def _colour_of(plan: FitPlan) -> ColourFacts | None:
    return plan.decode.colour if plan.decode else None


def _feature_files(plan: FitPlan, folder: Path, name: str) -> FeatureFiles:
    """Return the files of cached features. Fine-tuning changes the features that the novelty detector reads."""
    settings, copies = plan.settings, None
    if plan.configuration.augment_copies:
        shared = settings.cache is not None
        copies = CopyFiles.of(folder / name, plan.configuration.augment_copies, settings.seed, shared)
    tap_file = taps = None
    if settings.novelty_false_alarms is not None and not settings.fine_tune:
        taps = choose_taps(plan.classifier.backbone)
        tap_file = TapFile(folder / taps_name(name, taps.positions, taps.statistics), taps)
    if copies is not None and plan.configuration.copy_changes == "strong":
        copies = CopyFiles.strong_of(folder / name, len(copies.paths), copies.shared, taps)
    return FeatureFiles(folder / name, tap_file, copies)


@dataclass(frozen=True, slots=True)
class _Locations:
    """Facts about the locations that a model predicts. Both are None for a head without heatmaps."""

    heatmaps: HeatmapFacts | None = None
    boxes: BoxFacts | None = None


def _fit_locations(plan: FitPlan, model: keras.Model, job: TrainingJob) -> _Locations:
    """Fit the box regressor of a dense head, write boxes.npz, and choose the thresholds of heatmaps and boxes."""
    head, folder = plan.configuration.head, plan.settings.out
    facts = heatmap_facts(plan.classifier.backbone, head)
    if facts is None:
        return _Locations()
    fitted, output = None, None
    if head == "dense":
        cached = None if plan.configuration.fine_tune else job.feature_files
        fitted = fit_boxes(model, facts.grid, job.data, cached, plan.configuration.seed, job.progress)
    if fitted is not None:
        output = BoxOutput(fitted.regressor, facts.grid, job.data.spec)
    chosen = choose_decoding(model, facts, head, job.data, output, job.progress)
    if fitted is None or chosen.box_threshold is None:
        return _Locations(chosen.heatmaps)
    fitted.regressor.write(folder / BOXES_FILE)
    boxes = BoxFacts(chosen.box_threshold, fitted.boxes, file_sha256(folder / BOXES_FILE))
    return _Locations(chosen.heatmaps, boxes)


def _fit_novelty(settings: FitSettings, model: keras.Model, job: TrainingJob) -> NoveltyFacts | None:
    """Fit the novelty detector unless it is disabled."""
    rate = settings.novelty_false_alarms
    if rate is None:
        return None
    columns = read_taps(model, job.data, job.feature_files, job.progress)
    return write_novelty(settings.out, columns, job.data, rate, settings.seed, job.progress)


def _record(
    plan: FitPlan,
    prepared: PreparedData,
    fitted: TrainingOutcome,
    validation: Validation,
    locations: _Locations,
    novelty: NoveltyFacts | None,
    scale: ScaleFacts | None,
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
        heatmaps=locations.heatmaps,
        boxes=locations.boxes,
        marks=_marks_facts(plan),
        trained=_trained(plan.settings, prepared),
        novelty=novelty,
        files=plan.dataset.files,
        defaults=plan.chosen,
        colour=_colour_of(plan),
        scale=scale,
    )


def _trained(settings: FitSettings, prepared: PreparedData) -> TrainedFrames:
    scale = Range.of(settings.mm_per_px) if settings.mm_per_px else None
    return msgspec.structs.replace(prepared.trained, mm_per_px=scale)


def _marks_facts(plan: FitPlan) -> AnnotationFacts | None:
    if plan.marks is None:
        return None
    path: Path | None = plan.settings.boxes
    return AnnotationFacts(path_text(path.resolve()) if path else None, annotations_sha256(plan.marks), len(plan.marks))
