"""Settings of a fit: validation, defaults, and their record in the run folder."""

import math
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec

from stripwatch.export.runs.run_folder import (
    BestBy,
    ChosenDefaults,
    Configuration,
    FitPrecision,
    FitTask,
    Head,
    Keep,
    Loss,
    Maps,
    Optimizer,
    PrecisionChoice,
    Schedule,
    Task,
)
from stripwatch.training.fitting.training_defaults import COPIES, FINE_TUNE_RATE, decay_with_copies, find_defaults
from stripwatch.training.networks.several_maps import SEVERAL_MAPS
from stripwatch.training.preparation.sample_depths import check_bit_depth, parse_levels
from stripwatch.worker.common.errors import SettingsError, run_checks
from stripwatch.worker.common.path_text import path_text
from stripwatch.worker.images.decode_spec import DecodeSpec

CopyChoice = Literal["none", "mild", "strong"]
DecodeName = Literal["auto", "rgb", "rgb/2", "rgb/4", "rgb/8", "grey", "grey/2", "grey/4", "grey/8"]
_FALSE_ALARMS_LIMIT = 0.5
_CHOSEN = ("epochs", "learning_rate", "weight_decay", "augment_copies", "maps", "copy_changes")
_SETTLED = {"layout", "weights", "precision", *_CHOSEN}
_NO_FILE = ("imagenet", "none")


@dataclass(frozen=True, slots=True)
class FitSettings:
    """Settings of a fit; the fields are the options of `stripwatch train fit`.

    height_px, width_px: None selects the size that the network was published with. epochs, learning_rate, weight_decay:
    None selects the default for what is trained, see training_defaults. augment_copies: number of changed copies of
    each training frame whose features are computed once, if the backbone is frozen; None selects the default; with
    augment, 0 changes the frames in each epoch instead. copy_changes: how the copies are changed, "none" for no copies;
    None selects the default, see `changes`. boxes: location of the annotations,
    which the dense head is fitted on and evaluations use for localization. cache: folder in which features are kept for
    later fits. also: further data folders. bit_depth: significant bits of 16-bit files that do not declare them.
    decode: "auto" is grey if no image of the data has colour, else rgb.
    levels: mapping of samples with more than 8 bits to 8 bits: "full", "auto", or "BLACK,WHITE" as shares of the full
    scale. merge_labels: merge labels that look alike. mm_per_px: millimetres per pixel along the strip, for all folders
    or for each one in order; None if unknown.
    maps: feature maps that the head reads; None selects the default, see `joins_maps`.
    novelty_false_alarms: share of known frames, between 0 and 0.5, that the novelty detector may take for novel; None
    fits no novelty detector.
    """

    data: Path
    out: Path
    network: str
    layout: str = "auto"
    alpha: float = 1.0
    weights: str = "imagenet"
    height_px: int | None = None
    width_px: int | None = None
    decode: DecodeName = "auto"
    epochs: int | None = None
    batch: int = 32
    seed: int = 0
    val_share: float = 0.2
    split: Path | None = None
    clean_label: str | None = None
    augment: bool = False
    augment_copies: int | None = None
    dropout: float = 0.2
    learning_rate: float | None = None
    cut: str = ""
    head: Head = "gap"
    task: FitTask = "multiclass"
    schedule: Schedule = "cosine"
    scale_features: bool = True
    optimizer: Optimizer = "adamw"
    weight_decay: float | None = None
    loss: Loss = "crossentropy"
    label_smoothing: float = 0.0
    class_weights: bool = False
    best_by: BestBy = "val_accuracy"
    patience: int = 0
    fine_tune: int = 0
    fine_tune_from: str = ""
    fine_tune_rate: float = FINE_TUNE_RATE
    resume: bool = False
    keep: Keep = "best"
    boxes: Path | None = None
    cache: Path | None = None
    precision: PrecisionChoice = "auto"
    also: tuple[Path, ...] = ()
    mm_per_px: tuple[float, ...] | None = None
    bit_depth: int | None = None
    levels: str = "full"
    novelty_false_alarms: float | None = 0.01
    merge_labels: bool = False
    boxes_format: str = "auto"
    maps: Maps | None = None
    copy_changes: CopyChoice | None = None

    @property
    def label_task(self) -> Task:
        """Return how labels and scores are compared."""
        return "multilabel" if self.task == "multilabel" else "multiclass"

    @property
    def frozen(self) -> bool:
        """Return whether the backbone is frozen: true for pretrained weights, false for random ones."""
        return self.weights != "none"

    @property
    def joins_maps(self) -> bool:
        """Return whether the head also reads earlier feature maps.

        By default this holds for the gap head on a backbone that stays frozen, if its network is in SEVERAL_MAPS.
        """
        if self.maps is None:
            measured = self.head == "gap" and self.frozen and not self.fine_tune
            return measured and self.network in SEVERAL_MAPS
        return self.maps == "several"

    def decode_spec(self, side_px: int) -> DecodeSpec:
        """Return the decode spec of the model, without levels if these are chosen from the training frames.

        "auto" gives rgb until the images have been searched for colour. side_px: default side of the network's input.
        """
        colour, _, scale = self.decode.replace("auto", "rgb").partition("/")
        sizes = {"height_px": self.height_px or side_px, "width_px": self.width_px or side_px}
        spec = msgspec.convert({**sizes, "colour": colour, "jpeg_scale": int(scale or 1)}, DecodeSpec)
        return msgspec.structs.replace(spec, bit_depth=self.bit_depth, levels=parse_levels(self.levels))

    @property
    def changes(self) -> CopyChoice:
        """Return how the copies of the training frames are changed. Layers that are fitted need changed frames.

        By default they are changed strongly for the gap head, for which this was measured, and mildly with augment.
        """
        if not self.frozen:
            return "none"
        if self.copy_changes is not None:
            return self.copy_changes
        if self.augment:
            return "mild"
        return "strong" if self.head == "gap" and not self.fine_tune else "none"

    @property
    def copies(self) -> int:
        """Return the number of changed copies of each training frame."""
        if self.changes == "none":
            return 0
        return COPIES if self.augment_copies is None else self.augment_copies

    @property
    def weights_file(self) -> Path | None:
        """Return the weights file, or None for "imagenet" and "none"."""
        return None if self.weights in _NO_FILE else Path(self.weights)


def as_paper_baseline(settings: FitSettings) -> FitSettings:
    """Return the settings with the head and the training options of a published baseline.

    Source: github.com/suhasmaddali/Steel-Defect-Detection-Challenge.
    """
    return replace(
        settings,
        head="paper-baseline",
        batch=64,
        dropout=0.2,
        learning_rate=1e-3,
        schedule="constant",
        scale_features=False,
        optimizer="adam",
        loss="crossentropy",
        label_smoothing=0.0,
        class_weights=False,
        augment=False,
        augment_copies=None,
        fine_tune=0,
        maps="last",
        copy_changes="none",
    )


def check(settings: FitSettings) -> None:
    """Raise SettingsError, with all problems, for invalid or incompatible settings."""
    run_checks(
        [
            *(partial(each, settings) for each in (_check_scales, _check_rate, _check_options)),
            partial(check_bit_depth, settings.bit_depth),
            partial(parse_levels, settings.levels),
        ]
    )


def _check_scales(settings: FitSettings) -> None:
    folders, scales = 1 + len(settings.also), len(settings.mm_per_px or ())
    if scales not in (0, 1, folders):
        raise SettingsError(
            f"--mm-per-px is given {scales} times; pass it once, or once for each of the {folders} --data folders"
        )
    if not all(0 < scale < math.inf for scale in settings.mm_per_px or ()):
        raise SettingsError("--mm-per-px must be a positive number")


def _check_rate(settings: FitSettings) -> None:
    rate = settings.novelty_false_alarms
    if rate is not None and not 0 < rate < _FALSE_ALARMS_LIMIT:
        raise SettingsError(
            f"--novelty-false-alarms {rate:g} must be greater than 0 and less than {_FALSE_ALARMS_LIMIT:g}, such as "
            "0.01; use --no-novelty to fit no novelty detector"
        )


def _check_options(settings: FitSettings) -> None:
    if settings.fine_tune and not settings.frozen:
        raise SettingsError(
            "--fine-tune needs pretrained weights; --weights none fits every layer anyway, so omit --fine-tune"
        )
    if settings.maps == "several" and settings.head != "gap":
        raise SettingsError(f"--maps several needs --head gap; --head {settings.head} reads the last feature map only")
    _check_copies(settings)
    if settings.class_weights and settings.task == "multilabel":
        raise SettingsError("--class-weights needs --task multiclass; for multilabel use --loss focal")
    if settings.keep == "last" and (settings.patience or settings.schedule == "plateau"):
        raise SettingsError(
            "--keep last cannot be combined with --patience or --schedule plateau, which depend on validation frames"
        )


def _check_copies(settings: FitSettings) -> None:
    if settings.copy_changes not in (None, "none") and not settings.frozen:
        raise SettingsError(
            f"--copy-changes {settings.copy_changes} needs pretrained weights, since the copies are of features that a "
            "frozen backbone computes; use --augment, which changes the frames in each epoch"
        )
    if settings.copy_changes == "strong" and settings.head == "dense":
        raise SettingsError(
            "--copy-changes strong needs another head than dense, whose annotations do not move with the changes; use "
            "--augment"
        )
    if settings.copy_changes not in (None, "none") and settings.augment_copies == 0:
        raise SettingsError(
            f"--copy-changes {settings.copy_changes} and --augment-copies 0 contradict each other; omit one of them"
        )
    if settings.augment_copies and settings.changes == "none":
        raise SettingsError(
            "--augment-copies needs pretrained weights, and --augment or --copy-changes, since its copies are of "
            "features that a frozen backbone computes; omit it"
        )


def to_configuration(settings: FitSettings, layout: str, precision: FitPrecision, copies: int = 0) -> Configuration:
    """Return the settings as recorded in run.json, with defaults resolved.

    copies: number of changed copies of each training frame whose features are computed once.
    """
    names = {field.name for field in fields(settings)} & {field.name for field in msgspec.structs.fields(Configuration)}
    same = {name: getattr(settings, name) for name in names - _SETTLED}
    usual = find_defaults(settings.head, settings.frozen)
    decay = decay_with_copies(usual.weight_decay, copies)
    return Configuration(
        **same,
        layout=layout,
        weights=path_text(settings.weights_file.name) if settings.weights_file else settings.weights,
        frozen=settings.frozen,
        epochs=settings.epochs or usual.epochs,
        learning_rate=settings.learning_rate or usual.learning_rate,
        weight_decay=decay if settings.weight_decay is None else settings.weight_decay,
        precision=precision,
        augment_copies=copies,
        maps="several" if settings.joins_maps else "last",
        copy_changes="strong" if copies and settings.changes == "strong" else "mild",
    )


def chosen_defaults(settings: FitSettings) -> ChosenDefaults:
    """Return which training options were not given, and what is trained, which determines their values."""
    missing = [name for name in _CHOSEN if getattr(settings, name) is None]
    meaningless = {
        "augment_copies": settings.changes == "none",
        "maps": not settings.joins_maps,
        "copy_changes": settings.changes == "none" or settings.augment,
    }
    missing = [name for name in missing if not meaningless.get(name, False)]
    return ChosenDefaults(find_defaults(settings.head, settings.frozen).trained, missing)
