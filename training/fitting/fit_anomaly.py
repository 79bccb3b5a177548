"""Fit of an anomaly model: it is trained on clean frames only, and all other frames serve for validation."""

import time
import uuid
from dataclasses import dataclass, fields, replace

import cv2
import keras
import msgspec
import numpy as np
import sklearn
import tensorflow as tf
from rich.progress import Progress

from stripwatch.export.runs.claim_folder import claimed_folder, require_free
from stripwatch.export.runs.facts.colour_facts import ColourFacts
from stripwatch.export.runs.facts.detector_facts import AnnotationFacts, AnomalyFacts
from stripwatch.export.runs.files import read_whole
from stripwatch.export.runs.keras_model import load_model
from stripwatch.export.runs.provenance import commit, versions_of
from stripwatch.export.runs.run_folder import MODEL_FILE, MODEL_PART, SCHEMA, HeatmapFacts, Run, file_sha256, write_run
from stripwatch.training.annotations.annotations import annotations_sha256
from stripwatch.training.annotations.reading import read_annotations
from stripwatch.training.anomaly.anomaly_model import build_anomaly_model
from stripwatch.training.anomaly.calibration import Calibration
from stripwatch.training.anomaly.input_size import size_warning, usual_size
from stripwatch.training.anomaly.place_features import PlaceFeatures, feature_model, place_features
from stripwatch.training.datasets.dataset import DataSet, for_task, read_dataset
from stripwatch.training.evaluation.scores import measure_scores
from stripwatch.training.findings.checks import FitCheck
from stripwatch.training.fitting.anomaly_stage import FeaturePass, fit_distribution
from stripwatch.training.fitting.devices import explain_oom, limit_threads
from stripwatch.training.fitting.features.feature_cache import Features
from stripwatch.training.fitting.fit_plan import choose_decode
from stripwatch.training.fitting.fit_settings import FitSettings, check, to_configuration
from stripwatch.training.fitting.train_loop import predict
from stripwatch.training.fitting.training_defaults import HEADS
from stripwatch.training.networks.backbone import build_backbone
from stripwatch.training.networks.catalog import Network, find_network
from stripwatch.training.novelty.taps import choose_taps
from stripwatch.training.preparation.prepared_data import PreparedData, SplitPlan, prepare_data
from stripwatch.worker.common.errors import DataError, InputError, SettingsError
from stripwatch.worker.common.folders import require_outside
from stripwatch.worker.common.path_text import file_below, path_text
from stripwatch.worker.common.terminal.console import new_progress, say
from stripwatch.worker.common.terminal.progress import one_step
from stripwatch.worker.contracts.timestamps import utc_now
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.images.headers.reader import read_header
from stripwatch.worker.model.trained_range import Range

METHOD = "Mahalanobis distance of each place from clean places"
_BOX_THRESHOLD = 0.5  # the threshold of a place
_HAVE_MEANING = {
    "data", "out", "network", "layout", "alpha", "weights", "height_px", "width_px", "decode", "batch", "seed",
    "val_share", "split", "clean_label", "cut", "task", "boxes", "precision", "also", "mm_per_px", "bit_depth",
    "levels", "merge_labels", "boxes_format", "novelty_false_alarms",
}  # fmt: skip
_ACCEPTED = {"epochs": HEADS["gap"].epochs}  # earlier versions had this default, and accepted it when it was given


@dataclass(frozen=True, slots=True)
class _Plan:
    """Everything that is decided before the frames are read. size: height and width of the first frame, in pixels."""

    settings: FitSettings
    dataset: DataSet
    marks: AnnotationFacts | None
    network: Network
    spec: DecodeSpec
    places: PlaceFeatures
    colour: ColourFacts | None


def fit_anomaly(settings: FitSettings) -> Run:
    """Train on the clean frames of a folder and write a run folder. The arguments and errors are those of `fit`.

    The model has two labels: "anomaly" and the clean label. Frames with other labels are used for validation only.
    """
    started = time.perf_counter()
    keras.utils.set_random_seed(settings.seed)
    plan = _plan(settings)
    with claimed_folder(plan.settings.out):
        return _fit(plan, started)


def _fit(plan: _Plan, started: float) -> Run:
    """Fit, save and validate the model, and write the run folder. started: `perf_counter` when the fit began."""
    settings = plan.settings
    with new_progress() as progress, explain_oom(settings.batch):
        prepared = _prepare(plan, progress)
        features = feature_model(plan.places, plan.network, plan.spec.channels)
        source = FeaturePass(features, prepared, settings.batch, progress)
        found = fit_distribution(source, plan.places, settings.novelty_false_alarms or 0.0, settings.seed)
        _note_limits(found.calibration, settings)
        fitted_s = time.perf_counter() - started
        with one_step(progress, "saving the model"):
            _save(plan, build_anomaly_model(
                plan.network, plan.places, found.whitening, found.calibration, plan.spec.channels
            ))  # fmt: skip
        scores = predict(load_model(settings.out), prepared, prepared.validation, progress, "validating")
    run = _record(plan, prepared, found.calibration, scores, (fitted_s, time.perf_counter() - started))
    write_run(settings.out, run)
    return run


def _plan(settings: FitSettings) -> _Plan:
    require_outside("--out", settings.out, [settings.data, *settings.also])
    require_free(settings.out)
    _check_options(settings)
    found = read_dataset(settings.data, settings.layout, settings.also, settings.merge_labels, one_class=True)
    for note in found.notes:
        say(note)
    dataset, clean_label = for_task(found, settings.task, settings.clean_label)
    settings = replace(settings, clean_label=clean_label)
    check(settings)
    _say_parts(dataset, str(clean_label))
    marks = None
    if settings.boxes is not None:
        read = read_annotations(found, settings.boxes, settings.boxes_format)
        boxes, dataset = read.marks, dataset.with_annotations(read.files)
        marks = AnnotationFacts(path_text(settings.boxes.resolve()), annotations_sha256(boxes), len(boxes))
    limit_threads()
    network = find_network(settings.network)
    size = _size_of(dataset)
    settings = _with_size(settings, network, size)
    decode = choose_decode(settings, dataset)
    settings = decode.settings
    if decode.note:
        say(decode.note)
    spec = settings.decode_spec(network.side_px)
    shape = (spec.height_px, spec.width_px, 3)
    backbone = build_backbone(network, shape, settings.alpha, settings.weights, settings.cut)
    places = place_features(network, backbone, choose_taps(backbone).names)
    if warning := size_warning(*size, spec, places.grid.step_px[0]):
        say(warning)
    return _Plan(settings, dataset, marks, network, spec, places, decode.colour)


def _check_options(settings: FitSettings) -> None:
    """Raise SettingsError for an option without a meaning, so that nobody relies on it."""
    if not settings.frozen:
        raise SettingsError("--task anomaly needs pretrained weights; --weights none has features without a meaning")
    if settings.novelty_false_alarms is None:
        raise SettingsError("--no-novelty has no meaning with --task anomaly; set --novelty-false-alarms instead")
    for field in fields(FitSettings):
        value = getattr(settings, field.name)
        if field.name not in _HAVE_MEANING and value not in (field.default, _ACCEPTED.get(field.name)):
            option = field.name.replace("_", "-")
            raise SettingsError(f"--{option} has no meaning with --task anomaly; omit it")


def _say_parts(dataset: DataSet, clean_label: str) -> None:
    clean = sum(sample.labels == (clean_label,) for sample in dataset.samples)
    others = len(dataset.samples) - clean
    if not clean:
        raise DataError(f"{dataset.root} has no image with the clean label {clean_label!r}; see --clean-label")
    say(f"note: {clean:,} images ({clean_label!r}) are taken as clean; the model is trained on a part of them only")
    if others:
        say(f"note: {others:,} images are not clean; they are never trained on and choose no threshold")


def _size_of(dataset: DataSet) -> tuple[int, int]:
    """Return height and width of the first image. Raises DataError if it cannot be read."""
    path = file_below(dataset.root, dataset.samples[0].name)
    header = read_header(read_whole(path))
    return header.height_px, header.width_px


def _with_size(settings: FitSettings, network: Network, size: tuple[int, int]) -> FitSettings:
    if settings.height_px is not None:
        return settings
    usual = usual_size(*size, network.side_px)
    say(f"note: input size {usual.height_px}x{usual.width_px} for frames of {size[0]}x{size[1]}; --input changes it")
    return replace(settings, height_px=usual.height_px, width_px=usual.width_px)


def _prepare(plan: _Plan, progress: Progress) -> PreparedData:
    settings = plan.settings
    task = progress.add_task("reading", total=len(plan.dataset.samples))
    split = SplitPlan(
        settings.val_share,
        settings.seed,
        file=settings.split,
        auto_levels=settings.levels == "auto",
        only=settings.clean_label,
    )
    data_check = FitCheck(plan.dataset, settings.task, settings.clean_label, split=settings.split)
    return prepare_data(plan.dataset, plan.spec, split, lambda: progress.advance(task), check=data_check)


def _note_limits(calibration: Calibration, settings: FitSettings) -> None:
    if calibration.limited:
        say(
            f"note: {calibration.frames} training frames are too few for a threshold with "
            f"{settings.novelty_false_alarms:.2%} false alarms; it is their highest distance, so expect up to "
            f"{1 / (calibration.frames + 1):.1%} false alarms"
        )


def _save(plan: _Plan, model: keras.Model) -> None:
    part = plan.settings.out / MODEL_PART
    try:
        model.save(part)
        part.replace(plan.settings.out / MODEL_FILE)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(f"cannot write {plan.settings.out / MODEL_FILE}: {error.strerror or error}") from error


def _record(
    plan: _Plan, prepared: PreparedData, calibration: Calibration, scores: Features, seconds: tuple[float, float]
) -> Run:
    settings, targets = plan.settings, prepared.validation.targets
    clean = targets[:, 1] > 0
    scale = Range.of(settings.mm_per_px) if settings.mm_per_px else None
    facts = AnomalyFacts(
        method=METHOD,
        false_alarm_rate=settings.novelty_false_alarms or 0.0,
        frames=calibration.frames,
        false_alarms=float((scores[clean, 0] >= scores[clean, 1]).mean()) if clean.any() else None,
        found=float((scores[~clean, 0] >= scores[~clean, 1]).mean()) if (~clean).any() else None,
    )
    return Run(
        schema=SCHEMA,
        run_id=str(uuid.uuid4()),
        created_at=utc_now(),
        configuration=to_configuration(settings, plan.dataset.layout, "float32"),
        decode=prepared.spec,
        labels=plan.dataset.labels,
        clean_label=settings.clean_label,
        data=path_text(plan.dataset.root.resolve()),
        data_sha256=prepared.data_sha256,
        split=prepared.split,
        best_epoch=0,
        validation=measure_scores(plan.dataset.labels, targets, scores, "multiclass"),
        seconds={"features": round(seconds[0], 2), "epochs": 0.0, "fine_tune": 0.0, "total": round(seconds[1], 2)},
        versions=versions_of(cv2, keras, np, sklearn, tf),
        commit=commit(),
        model_sha256=file_sha256(settings.out / MODEL_FILE),
        heatmaps=HeatmapFacts("place", plan.places.grid, _BOX_THRESHOLD),
        marks=plan.marks,
        trained=msgspec.structs.replace(prepared.trained, mm_per_px=scale),
        files=plan.dataset.files,
        anomaly=facts,
        colour=plan.colour,
    )
