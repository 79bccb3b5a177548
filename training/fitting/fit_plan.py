"""Everything that is decided about a fit before the first frame is read."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import keras
import msgspec
import tensorflow as tf

from stripwatch.export.runs.claim_folder import require_free
from stripwatch.export.runs.facts.colour_facts import ColourFacts
from stripwatch.export.runs.facts.scale_facts import ScaleFacts
from stripwatch.export.runs.provenance import commit
from stripwatch.export.runs.run_folder import ChosenDefaults, Configuration, FitPrecision
from stripwatch.training.annotations.annotations import Annotations
from stripwatch.training.annotations.reading import AnnotationSet, read_annotations
from stripwatch.training.datasets.dataset import DataSet, for_task, read_dataset, require_folder
from stripwatch.training.fitting.checkpoint import read_begun
from stripwatch.training.fitting.devices import choose_precision, device_scope, limit_threads
from stripwatch.training.fitting.features.feature_cache import keepable
from stripwatch.training.fitting.fit_settings import DecodeName, FitSettings, check, chosen_defaults, to_configuration
from stripwatch.training.fitting.memory_estimate import check_memory, free_bytes
from stripwatch.training.fitting.training_defaults import describe_training
from stripwatch.training.networks.backbone import build_backbone, require_weights
from stripwatch.training.networks.catalog import find_network
from stripwatch.training.networks.classifier import Classifier, build_classifier, find_start
from stripwatch.training.networks.heads import OutputSpec
from stripwatch.training.networks.joined_maps import join_maps, map_widths
from stripwatch.training.novelty.taps import choose_taps
from stripwatch.training.preparation.colour_check import find_colour
from stripwatch.training.preparation.split_file import is_fit_request
from stripwatch.worker.common.errors import InputError, run_checks
from stripwatch.worker.common.folders import require_outside
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.images.image_files import CONTENT_TYPES


@dataclass(frozen=True, slots=True)
class FitPlan:
    """Everything that is decided before the first frame is read.

    kept: the model that is saved, in float32. from_features: fit the head on features that are computed once, because
    they are constant and fit into memory. chosen: options that were not given. decode: how to decode was chosen; None
    if the images were not searched. notes: messages for the person who trains.
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
    decode: "DecodeChoice | None"
    notes: list[str]

    @property
    def marks(self) -> Mapping[str, Annotations] | None:
        """Return the annotations by image name, or None if none are used."""
        return None if self.annotations is None else self.annotations.marks


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
    _plan_for(settings, found, reads_images=False)


def plan_fit(settings: FitSettings) -> FitPlan:
    """Check the settings and the data set, and build the network. Raises what `fit` raises before its first epoch."""
    for option, path in (("--out", settings.out), ("--cache", settings.cache)):
        require_outside(option, path, [settings.data, *settings.also])
    check_settings(settings)
    settings = _as_begun(settings)
    found = read_dataset(settings.data, settings.layout, settings.also, settings.merge_labels)
    for note in found.notes:
        say(note)
    plan = _plan_for(settings, found)
    for note in plan.notes:
        say(note)
    return plan


def _as_begun(settings: FitSettings) -> FitSettings:
    """Return the settings with maps and copies of the fit that is resumed; its version may have had other defaults."""
    begun = read_begun(settings.out) if settings.resume else None
    if begun is None:
        return settings
    before = begun.configuration
    maps = before.maps if settings.maps is None else settings.maps
    changes = settings.copy_changes
    if changes is None and not settings.augment:
        changes = before.copy_changes if before.augment_copies else "none"
    return replace(settings, maps=maps, copy_changes=changes)


def _plan_for(settings: FitSettings, found: DataSet, reads_images: bool = True) -> FitPlan:
    dataset, clean_label = for_task(found, settings.task, settings.clean_label)
    settings = replace(settings, clean_label=clean_label)
    notes: list[str] = []
    decode = choose_decode(settings, dataset) if reads_images else None
    if decode is not None:
        settings = decode.settings
        notes += [decode.note] if decode.note else []
    wants_marks = settings.head == "dense" or settings.boxes is not None
    annotations = _read_marks(settings, dataset, notes) if wants_marks else None
    dataset = dataset.with_annotations(annotations.files if annotations else ())
    limit_threads()
    precision = choose_precision(settings.precision)
    spec, classifier = _build(settings, dataset, precision)
    notes += _scale_notes(spec, dataset) + map_notes(settings, classifier.backbone)
    fitted = _fitted_layers(settings, classifier.backbone)
    if not tf.config.list_physical_devices("GPU"):  # a GPU reports when its memory is full
        check_memory(fitted, settings.batch, free_bytes())
    kept = classifier.whole if precision == "float32" else _build(settings, dataset, "float32")[1].whole
    copies = _cached_copies(settings, classifier, len(dataset.samples), notes)
    from_features, copies = copies is not None, copies or 0
    configuration, chosen = to_configuration(settings, dataset.layout, precision, copies), chosen_defaults(settings)
    notes.append(describe_training(configuration, chosen))
    return FitPlan(
        *(settings, dataset, annotations, spec, classifier, kept, configuration, from_features, chosen, commit()),
        decode,
        notes,
    )


@dataclass(frozen=True, slots=True)
class DecodeChoice:
    """How to decode was chosen.

    settings: with `--decode auto` resolved. colour: of the images; None in a fit that an earlier version began. note:
    for the person who trains, may be empty. tests_scale: whether scaled JPEG decoding is still to be tested. scale:
    result of the test in a fit that is resumed.
    """

    settings: FitSettings
    colour: ColourFacts | None
    note: str = ""
    tests_scale: bool = False
    scale: ScaleFacts | None = None


def choose_decode(settings: FitSettings, dataset: DataSet) -> DecodeChoice:
    """Search the images for colour, and resolve `--decode auto`. A fit that is resumed keeps its choice."""
    begun = read_begun(settings.out) if settings.resume else None
    if begun is not None:
        if settings.decode != "auto":
            return DecodeChoice(settings, begun.colour, scale=begun.scale)
        # Versions that did not record it had the default rgb.
        name = msgspec.convert(begun.decode.name if begun.decode else "rgb", DecodeName)
        note = f"decode: {name}, as when the fit was started"
        return DecodeChoice(replace(settings, decode=name), begun.colour, note, scale=begun.scale)
    spec = settings.decode_spec(1)
    colour = find_colour(dataset, spec, settings.decode, auto_levels=settings.levels == "auto")
    if settings.decode == "auto":
        return _resolve_auto(settings, colour)
    note = ""
    if spec.colour == "rgb" and not colour.is_coloured:
        note = f"note: {colour.text}; --decode {spec.name.replace('rgb', 'grey')} saves the worker time"
    elif spec.colour == "grey" and colour.is_coloured:
        note = f"note: {colour.text}, which --decode {spec.name} hides from the model"
    return DecodeChoice(settings, colour, note)


def _resolve_auto(settings: FitSettings, colour: ColourFacts) -> DecodeChoice:
    name: DecodeName = "rgb" if colour.is_coloured else "grey"
    hint = "; if colour does not matter, --decode grey saves the worker time" if colour.is_coloured else ""
    note = f"decode: {name}, because {colour.text}{hint}"
    return DecodeChoice(replace(settings, decode=name), colour, note, tests_scale=_tests_scale(settings))


def _tests_scale(settings: FitSettings) -> bool:
    """Return whether validation frames may choose the scale of JPEG decoding.

    They may not choose anything with `--keep last`, which crossval uses, and in a fit that compare starts, all networks
    are to see the same pixels. The test needs pooled features that the fit does not change.
    """
    pooled = settings.frozen and not settings.fine_tune and settings.head != "dense"
    compared = settings.split is not None and is_fit_request(settings.split)
    return pooled and settings.keep == "best" and not compared


def _cached_copies(settings: FitSettings, classifier: Classifier, frames: int, notes: list[str]) -> int | None:
    """Return the number of changed copies whose features are computed once, like those of the frames.

    None means that the frames are read in each epoch, because the features differ or do not fit into memory.
    """
    copies = settings.copies
    if not settings.frozen or (settings.augment and not copies):
        return None
    detects_novelty = settings.novelty_false_alarms is not None
    taps = choose_taps(classifier.backbone).features if detects_novelty else 0
    if keepable(classifier.features, frames * (1 + copies), taps):
        return copies
    if copies and not settings.augment and keepable(classifier.features, frames, taps):
        notes.append(
            f"note: the features of {copies} changed copies of each frame take more than 4 GB, so the head learns "
            "from unchanged frames; use a smaller --augment-copies"
        )
        return 0
    of = f"all frames and {copies} changed copies of each" if copies else "all frames"
    notes.append(f"note: the features of {of} take more than 4 GB, so the frames are read in each epoch")
    return None


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
        if settings.joins_maps:
            backbone = join_maps(backbone, choose_taps(backbone).names)
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


def map_notes(settings: FitSettings, backbone: keras.Model) -> list[str]:
    """Return a note if several maps were selected, but the backbone has no earlier one to join."""
    if settings.maps != "several" or len(map_widths(backbone)) > 1:
        return []
    return ["note: --maps several has no effect, because the network has no earlier feature map before its cut"]


def _fitted_layers(settings: FitSettings, backbone: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers of the backbone whose weights the fit changes. Raises what find_start raises."""
    if not settings.frozen:
        return list(backbone.layers)
    return list(backbone.layers[find_start(backbone, settings.fine_tune_from) :]) if settings.fine_tune else []
