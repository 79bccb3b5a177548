"""The run folder, which training writes and export reads. Defined here because export never imports training.

model.keras   the model of the kept epoch, preprocessing included
history.csv   one row per epoch
novelty.npz   the novelty detector, unless it is disabled
boxes.npz     the box regressor of a dense head
run.json      everything else; written last, so a folder that contains it is complete
"""

import hashlib
from pathlib import Path
from typing import Any, Literal

import msgspec

from stripwatch.export.runs.facts.colour_facts import ColourFacts
from stripwatch.export.runs.facts.detector_facts import AnnotationFacts, AnomalyFacts, BoxFacts, NoveltyFacts
from stripwatch.export.runs.facts.scale_facts import ScaleFacts
from stripwatch.export.runs.files import atomic_write, read_whole
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.common.terminal.file_counts import FileCounts
from stripwatch.worker.contracts.model.model_record import Validation
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.model.boxes.cell_boxes import CellBoxDecoder
from stripwatch.worker.model.bundle import CellGrid, HeatmapKind
from stripwatch.worker.model.heatmaps import HeatmapDecoder
from stripwatch.worker.model.trained_range import TrainedFrames

SCHEMA = "stripwatch.run/1"
MODEL_FILE, HISTORY_FILE, RECORD_FILE = "model.keras", "history.csv", "run.json"
NOVELTY_FILE = "novelty.npz"
BOXES_FILE = "boxes.npz"
MODEL_PART = "model.part.keras"  # Keras requires this suffix
# Files that a killed fit can continue from; deleted when the run is finished.
BEGUN_FILE, FEATURES_STEM, STATE_SUFFIX = "begun.json", "features-", ".weights.h5"

# Layer of a backbone whose map also holds earlier maps; the names of the layers that pool them begin with it.
JOINED = "joined_maps"

Head = Literal["gap", "paper-baseline", "dense"]
Task = Literal["multiclass", "multilabel"]
FitTask = Literal["multiclass", "multilabel", "anomaly"]
ANOMALY_LABEL = "anomaly"  # of an anomaly model, for every frame that is not clean
Schedule = Literal["cosine", "plateau", "constant"]
Optimizer = Literal["adam", "adamw"]
Loss = Literal["crossentropy", "focal"]
BestBy = Literal["val_accuracy", "val_macro_f1", "val_loss"]
Keep = Literal["best", "last"]
Maps = Literal["last", "several"]
CopyChanges = Literal["mild", "strong"]
FitPrecision = Literal["float32", "mixed_float16", "mixed_bfloat16"]
PrecisionChoice = Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"]


class Configuration(msgspec.Struct, frozen=True):
    """Settings of a fit as recorded in run.json.

    weights: "imagenet", "none", or the name of a file. cut: the last layer of the backbone; "" for the whole network.
    keep: the epoch that is kept. best_by: the metric that selects the best epoch. patience: epochs without improvement
    that end a stage; 0 disables early stopping. fine_tune: epochs of fine-tuning, at the learning rate fine_tune_rate,
    starting at layer fine_tune_from ("" for the last third of the backbone). precision: arithmetic of the fit; the
    saved model is always float32. weight_decay: for adamw; fine-tuning always uses Keras's default of 0.004. task
    "anomaly": the options of heads and epochs have no meaning. merge_labels: labels that look alike were merged.
    boxes_format: format of the annotations, or "auto". augment_copies: number of changed copies of each training frame
    whose features were computed once; 0 with augment: frames were changed in each epoch. maps: feature maps that the
    head reads: the last one, or also those that the novelty detector reads. copy_changes: how the copies were changed;
    meaningless without copies.
    """

    layout: str
    network: str
    alpha: float
    weights: str
    frozen: bool
    head: Head
    dropout: float
    augment: bool
    epochs: int
    batch: int
    learning_rate: float
    seed: int
    val_share: float
    cut: str = ""
    task: FitTask = "multiclass"
    schedule: Schedule = "cosine"
    scale_features: bool = True
    optimizer: Optimizer = "adam"
    weight_decay: float = 0.004
    loss: Loss = "crossentropy"
    label_smoothing: float = 0.0
    class_weights: bool = False
    best_by: BestBy = "val_accuracy"
    patience: int = 0
    fine_tune: int = 0
    fine_tune_from: str = ""
    fine_tune_rate: float = 1e-4
    keep: Keep = "best"
    precision: FitPrecision = "float32"
    merge_labels: bool = False
    boxes_format: str = "auto"
    augment_copies: int = 0
    maps: Maps = "last"
    copy_changes: CopyChanges = "mild"

    @property
    def label_task(self) -> Task:
        """Return how labels and scores are compared. An anomaly model has two labels, of which a frame has one."""
        return "multilabel" if self.task == "multilabel" else "multiclass"

    @property
    def title(self) -> str:
        """Return a short name of the network, such as "mobilenet 0.25" or "xception before:block14_sepconv1"."""
        width = f"{self.alpha:g}" if self.alpha != 1 else ""
        return " ".join(word for word in (self.network, width, self.cut) if word)


class ChosenDefaults(msgspec.Struct, frozen=True):
    """Training options that were not given. Their values are in the configuration.

    trained: what is trained, which determines the defaults. settings: their names.
    """

    trained: str
    settings: list[str]


class SplitFrame(msgspec.Struct, frozen=True):
    """One image file of the data folder.

    name: path below the data folder, as returned by `name_below` and resolved by `file_below`. sha256: of the file.
    label: as in a manifest: "a|b" for an image with two labels, "" for an image without labels.
    """

    name: str
    label: str
    sha256: str

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.label.split("|")) if self.label else ()


class Split(msgspec.Struct, frozen=True):
    """The frames used for training and for validation."""

    train: list[SplitFrame]
    validation: list[SplitFrame]


class HeatmapFacts(msgspec.Struct, frozen=True):
    """How to decode the heatmaps of a model. For the fields see stripwatch.worker.model.heatmaps.HeatmapDecoder."""

    kind: HeatmapKind
    grid: CellGrid
    threshold: float


class Run(msgspec.Struct, frozen=True):
    """Content of run.json. Later versions may add fields; unknown fields are ignored.

    data: the data folder at the time of the fit. seconds: duration of each step. best_epoch: counted from 1.
    heatmaps: None if the head has none. marks: None if the fit used no annotations. trained: sizes and scale of the
    training frames; None in runs of versions that did not record them. novelty: None if the run has no novelty
    detector. files: files of the data folders; None in runs of versions that did not record them.
    defaults: None for an anomaly model and in runs of versions that did not record them. colour: None in runs of
    versions that did not record it. scale: None unless the fit tested scaled JPEG decoding.
    """

    schema: str
    run_id: str
    created_at: str
    configuration: Configuration
    decode: DecodeSpec
    labels: list[str]
    clean_label: str | None
    data: str
    data_sha256: str
    split: Split
    best_epoch: int
    validation: Validation
    seconds: dict[str, float]
    versions: dict[str, str]
    commit: str | None
    model_sha256: str
    heatmaps: HeatmapFacts | None = None
    marks: AnnotationFacts | None = None
    trained: TrainedFrames | None = None
    novelty: NoveltyFacts | None = None
    files: FileCounts | None = None
    anomaly: AnomalyFacts | None = None
    defaults: ChosenDefaults | None = None
    colour: ColourFacts | None = None
    scale: ScaleFacts | None = None
    boxes: BoxFacts | None = None

    @property
    def heatmap_decoder(self) -> HeatmapDecoder | None:
        """Return a decoder for the heatmaps of the model, or None if its head has none."""
        if self.heatmaps is None:
            return None
        facts, size = self.heatmaps, (self.decode.height_px, self.decode.width_px)
        predicted = None if self.boxes is None else CellBoxDecoder(self.boxes.threshold, *size)
        return HeatmapDecoder(facts.kind, facts.grid, facts.threshold, *size, predicted)


def read_run(folder: Path) -> Run:
    """Read run.json and check that model.keras, novelty.npz and boxes.npz are the files it describes.

    Raises InputError if the folder is not a finished run, or run.json does not match one of these files.
    """
    if not folder.is_dir():
        raise InputError(f"run folder {folder} does not exist")
    record = folder / RECORD_FILE
    if not record.exists():
        raise InputError(
            f"{folder} is not a finished run: it has no {RECORD_FILE}, which training writes last; repeat the command "
            "that wrote it, and add --resume if that was 'fit'"
        )
    run = _decode(record)
    _check_file(folder / MODEL_FILE, run.model_sha256, "model")
    if run.novelty is not None:
        _check_file(folder / NOVELTY_FILE, run.novelty.sha256, "novelty detector")
    if run.boxes is not None:
        _check_file(folder / BOXES_FILE, run.boxes.sha256, "box regressor")
    return run


def _check_file(path: Path, sha256: str, content: str) -> None:
    if file_sha256(path) != sha256:
        raise InputError(
            f"{path} is not the {content} that {RECORD_FILE} describes: its SHA-256 differs; restore the file or fit "
            "the model again"
        )


def write_run(folder: Path, run: Run) -> None:
    """Write run.json, which marks the run as finished."""
    atomic_write(folder / RECORD_FILE, msgspec.json.format(msgspec.json.encode(run)))


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as hex digits. Raises InputError if it cannot be read."""
    return hashlib.sha256(read_whole(path)).hexdigest()


class _Schema(msgspec.Struct):
    schema: str


def _with_new_names(record: dict[str, Any]) -> dict[str, Any]:
    """Return the record with current names: early versions called the head "paper-baseline" "article"."""
    configuration = record.get("configuration")
    if isinstance(configuration, dict) and configuration.get("head") == "article":
        return record | {"configuration": configuration | {"head": "paper-baseline"}}
    return record


def _decode(record: Path) -> Run:
    text = read_whole(record)
    try:
        schema = msgspec.json.decode(text, type=_Schema).schema
        if schema != SCHEMA:
            raise InputError(
                f"{record} has schema {schema!r}, but this version reads {SCHEMA!r}; update Stripwatch, or fit again"
            )
        return msgspec.convert(_with_new_names(msgspec.json.decode(text)), type=Run)
    except msgspec.MsgspecError as error:
        raise InputError(f"{record} is malformed: {error}") from error
