"""The run folder: what training leaves and export takes. It lives here since export never imports training.

model.keras   the best epoch, preprocessing inside
history.csv   one line an epoch
run.json      everything else; written last, so a folder that has it is whole
"""

import hashlib
from pathlib import Path
from typing import Any, Literal

import msgspec

from stripwatch.export.runs.files import atomic_write, is_temporary, read_whole
from stripwatch.worker.common.atomic_files import PART
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.model.bundle import CellGrid, HeatmapKind, Validation
from stripwatch.worker.model.heatmaps import HeatmapDecoder
from stripwatch.worker.model.trained_range import TrainedFrames

SCHEMA = "stripwatch.run/1"
MODEL_FILE, HISTORY_FILE, RECORD_FILE = "model.keras", "history.csv", "run.json"
MODEL_PART = "model.part.keras"  # Keras insists on its suffix
# What a killed fit can continue from; a finished run has none of it.
BEGUN_FILE, FEATURES_STEM, STATE_SUFFIX = "begun.json", "features-", ".weights.h5"

Head = Literal["gap", "paper-baseline", "dense"]
Task = Literal["multiclass", "multilabel"]
Schedule = Literal["cosine", "plateau", "constant"]
Optimizer = Literal["adam", "adamw"]
Loss = Literal["crossentropy", "focal"]
BestBy = Literal["val_accuracy", "val_macro_f1", "val_loss"]
Keep = Literal["best", "last"]
FitPrecision = Literal["float32", "mixed_float16", "mixed_bfloat16"]
PrecisionChoice = Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"]


class Configuration(msgspec.Struct, frozen=True):
    """The settings of a fit. weights: "imagenet", "none", or the name of a file. cut: "" where nothing was cut off.

    keep: which epoch counts; best_by: what makes it the best. patience: epochs without a better one that end a stage,
    0: none do. fine_tune: epochs, with the rate fine_tune_rate, of the layers from fine_tune_from on ("": the last
    third of the backbone). precision: of the arithmetic of the fit; the model that is kept is float32.
    weight_decay: of adamw; fine-tuning has Keras's 0.004 whatever it says.
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
    task: Task = "multiclass"
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

    @property
    def title(self) -> str:
        """The network in a few words, such as "mobilenet 0.25" or "xception before:block14_sepconv1"."""
        width = f"{self.alpha:g}" if self.alpha != 1 else ""
        return " ".join(word for word in (self.network, width, self.cut) if word)


class SplitFrame(msgspec.Struct, frozen=True):
    """One file of the data folder. name: as `name_below` makes it and `file_below` finds it. sha256: of the file.

    label: as a manifest writes it: "a|b" for an image with two labels, "" for one without.
    """

    name: str
    label: str
    sha256: str

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.label.split("|")) if self.label else ()


class Split(msgspec.Struct, frozen=True):
    train: list[SplitFrame]
    validation: list[SplitFrame]


class HeatmapFacts(msgspec.Struct, frozen=True):
    """How the heatmaps of a model are read. threshold: as stripwatch.worker.model.heatmaps.HeatmapDecoder takes it."""

    kind: HeatmapKind
    grid: CellGrid
    threshold: float


class AnnotationFacts(msgspec.Struct, frozen=True):
    """The boxes or masks that the places were fitted on. path: as it was then, None where they are part of the data."""

    path: str | None
    sha256: str
    images: int


class Run(msgspec.Struct, frozen=True):
    """run.json. Later versions may add fields; a reader of this one passes over them.

    data: the folder as it was then. seconds: how long each step took. best_epoch counts from 1. heatmaps: None for a
    head without. marks: None for a head that does not use any. trained: the sizes and the scale of the training frames;
    None in runs of versions that did not record them.
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

    @property
    def heatmap_decoder(self) -> HeatmapDecoder | None:
        """None for a head without heatmaps."""
        if self.heatmaps is None:
            return None
        facts, spec = self.heatmaps, self.decode
        return HeatmapDecoder(facts.kind, facts.grid, facts.threshold, spec.height_px, spec.width_px)


def read_run(folder: Path) -> Run:
    """Read run.json and check that model.keras is the one it describes. Raises InputError for anything else."""
    if not folder.is_dir():
        raise InputError(f"there is no run folder {folder}")
    record = folder / RECORD_FILE
    if not record.exists():
        raise InputError(f"{folder} is no finished run: it has no {RECORD_FILE}, which training writes last")
    run = _decode(record)
    if file_sha256(folder / MODEL_FILE) != run.model_sha256:
        raise InputError(f"{folder / MODEL_FILE} is not the model that {RECORD_FILE} describes: its sha256 differs")
    return run


def claim_folder(folder: Path, resume: bool = False) -> None:
    """Make an empty run folder, or clear one that a killed run left; with resume that is kept.

    Raises InputError when the folder holds a finished run, or anything else that is not ours.
    """
    if (folder / RECORD_FILE).exists():
        raise InputError(f"{folder} is a finished run: choose another --out, or remove it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = sorted(path.name for path in folder.iterdir())
        foreign = [name for name in found if not _is_ours(name)]
        if foreign:
            raise InputError(f"{folder} is in use: it holds {foreign[0]!r}; choose another --out")
        for name in [] if resume and BEGUN_FILE in found else found:
            (folder / name).unlink()
    except OSError as error:
        raise InputError(f"cannot use {folder} as run folder: {error.strerror}") from error


def _is_ours(name: str) -> bool:
    if is_temporary(name):
        return True
    bare = name.removesuffix(PART)
    known = {MODEL_FILE, MODEL_PART, HISTORY_FILE, RECORD_FILE, BEGUN_FILE}
    return bare in known or name.endswith(STATE_SUFFIX) or (bare.startswith(FEATURES_STEM) and bare.endswith(".npy"))


def write_run(folder: Path, run: Run) -> None:
    """Write run.json, which marks the folder as finished."""
    atomic_write(folder / RECORD_FILE, msgspec.json.format(msgspec.json.encode(run)))


def file_sha256(path: Path) -> str:
    """Of the whole file. Raises InputError when it cannot be read."""
    return hashlib.sha256(read_whole(path)).hexdigest()


class _Schema(msgspec.Struct):
    schema: str


def _with_new_names(record: dict[str, Any]) -> dict[str, Any]:
    """An early record calls the head "paper-baseline" by its old name, "article"."""
    configuration = record.get("configuration")
    if isinstance(configuration, dict) and configuration.get("head") == "article":
        return record | {"configuration": configuration | {"head": "paper-baseline"}}
    return record


def _decode(record: Path) -> Run:
    text = read_whole(record)
    try:
        schema = msgspec.json.decode(text, type=_Schema).schema
        if schema != SCHEMA:
            raise InputError(f"{record} is {schema!r}; this version reads {SCHEMA!r}, so update one of the two")
        return msgspec.convert(_with_new_names(msgspec.json.decode(text)), type=Run)
    except msgspec.MsgspecError as error:
        raise InputError(f"{record} is malformed: {error}") from error
