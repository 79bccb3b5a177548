"""Layout `collected`: a folder of review frames that a person sorts by label.

_unsorted/GUESS/ID.jpg   not sorted yet; GUESS is the label predicted by the model
_unsorted/_novel/ID.jpg  not sorted yet; the model was not trained on such frames, so its prediction says little
LABEL/ID.jpg             sorted; LABEL is the true label
_skip/ID.jpg             not used for training, like all folders whose names begin with "_"
collected.csv            origin of each frame
boxes.json               boxes and polygons that a person drew or confirmed, as a COCO file
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path

import msgspec

from stripwatch.export.runs.files import atomic_write
from stripwatch.training.datasets.csv_rows import read_rows
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.training.datasets.samples import Sample, find_images
from stripwatch.worker.common.errors import DataError, InputError
from stripwatch.worker.common.path_text import file_below, name_below
from stripwatch.worker.contracts.events import Candidate
from stripwatch.worker.contracts.frame_headers import ANOMALY, NAMELESS

CSV_FILE = "collected.csv"
BOXES_FILE = "boxes.json"
HANDOVER_FILE = "stripwatch-handover.txt"  # in a folder that a labelling tool gets, which is not read as frames
UNSORTED, SKIP = "_unsorted", "_skip"
NOVEL = "_novel"  # not a valid label, so that these frames cannot be accepted before a person has sorted them
NO_FOLDER = "_other"  # for labels that are not valid folder names
FILE_TIME = "file"  # in the column corrected_time
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_LABEL_CHARS_MAX = 100


@dataclass(frozen=True, slots=True)
class ReviewedFrame:
    """A row of collected.csv.

    id: of the frame's result. file: current path in the folder, "" if the file was deleted. guess: label predicted by
    the model. scores: scores of all labels as JSON. sha256: of the file, which holds the original bytes from the
    camera, or the pixels of a raw buffer as PNG. corrected_label, corrected_by, corrected_at: correction by a person on
    the live page, empty for none; the label is also empty for "not a defect" if the model has no label for that.
    reason: why the worker sent the frame for review. novelty, novelty_threshold: its novelty score, and the value above
    which a frame is novel. boxes: boxes of the model as JSON, with label and score, in pixels. handed_over: labelling
    tool that got the frame last, and when. no_defect: label of the model that means "no defect". corrected_time: "file"
    if corrected_at is the time of the file that stated the label, because COCO states no times. All from `reason` on
    are empty where they are not stated.
    """

    id: str
    file: str
    guess: str
    score: str
    scores: str
    camera: str
    coil: str
    captured_at: str
    model: str
    model_sha256: str
    sha256: str
    corrected_label: str = ""
    corrected_by: str = ""
    corrected_at: str = ""
    reason: str = ""
    novelty: str = ""
    novelty_threshold: str = ""
    boxes: str = ""
    handed_over: str = ""
    no_defect: str = ""
    corrected_time: str = ""

    @property
    def is_dated(self) -> bool:
        """Return whether a person corrected the frame at a known time."""
        return bool(self.corrected_at) and self.corrected_time != FILE_TIME

    @property
    def is_nameless(self) -> bool:
        """Return whether no label of the model may fit: the frame is novel, or was found by an anomaly model."""
        return self.reason in NAMELESS

    @property
    def is_anomaly(self) -> bool:
        """Return whether an anomaly model found the frame, whose label is not a class."""
        return self.reason == ANOMALY

    @property
    def unsorted_folder(self) -> str:
        """Return the folder for the frame as long as no person has labelled it."""
        guess = self.guess if may_be_folder(self.guess) else NO_FOLDER
        return f"{UNSORTED}/{NOVEL if self.is_nameless else guess}"

    @property
    def name(self) -> str:
        """Return the file name without suffix."""
        return safe_name(self.id)

    @property
    def labels(self) -> set[str]:
        """Return the labels that the model knows."""
        return set(self.scores_by_label) or {self.guess}

    @property
    def scores_by_label(self) -> dict[str, float]:
        """Return the scores of all labels; none if the column was modified by a spreadsheet program."""
        try:
            return msgspec.json.decode(self.scores, type=dict[str, float])
        except msgspec.MsgspecError:
            return {}

    @property
    def candidates(self) -> list[Candidate]:
        """Return the boxes of the model; none if the column was modified by a spreadsheet program."""
        try:
            return msgspec.json.decode(self.boxes, type=list[Candidate]) if self.boxes else []
        except msgspec.MsgspecError:
            return []


def safe_name(event_id: str) -> str:
    """Return a safe file name for an id from outside: the id itself if it is harmless, as the worker's ids are."""
    if _SAFE_NAME.fullmatch(event_id):
        return event_id
    harmless = re.sub(r"[^A-Za-z0-9._-]", "_", event_id)[:100]
    return f"id-{harmless}-{hashlib.sha256(event_id.encode()).hexdigest()[:16]}"


def may_be_folder(label: str) -> bool:
    """Return whether a label is valid as the name of a visible folder that is used for training."""
    plain = label.isprintable() and label == label.strip() and not {"/", "\\"} & set(label)
    return plain and 0 < len(label) <= _LABEL_CHARS_MAX and label[0] not in "._"


class FrameFiles:
    """Index of the images below a folder by name without suffix, independent of the subfolder they were moved to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._files: dict[str, list[Path]] = {}
        for path in find_images(root):
            self._files.setdefault(path.stem, []).append(path)

    def find(self, name: str) -> Path | None:
        """Return the path of a frame, or None if it is missing.

        Raises DataError for a frame in two folders, since it would have two labels.
        """
        files = self._files.get(name, [])
        if len(files) > 1:
            raise DataError(f"{files[0]} and {files[1]} are the same frame; keep it in one folder only")
        return files[0] if files else None

    def put(self, name: str, path: Path) -> None:
        """Note where a frame has been written or moved to."""
        self._files[name] = [path]

    def file_of(self, name: str) -> str:
        """Return the path of a frame as stored in collected.csv, "" if it is missing."""
        path = self.find(name)
        return name_below(self.root, path) if path else ""


def read_entries(root: Path) -> dict[str, ReviewedFrame]:
    """Read collected.csv and return its rows by name. Columns that earlier versions did not write may be absent.

    Raises InputError or DataError if the file is missing or malformed.
    """
    path = root / CSV_FILE
    columns, rows = read_rows(path)
    required = [field.name for field in fields(ReviewedFrame) if field.default is MISSING]
    wanted = [field.name for field in fields(ReviewedFrame) if field.name in {*required, *columns}]
    missing = [column for column in required if column not in columns]
    if missing:
        raise DataError(f"{path} has no column {missing[0]}; restore the file as written by 'collect'")
    entries = (ReviewedFrame(**{column: row[column] for column in wanted}) for _, row in rows)
    return {entry.name: entry for entry in entries}


def read_folder(root: Path) -> tuple[dict[str, ReviewedFrame], FrameFiles]:
    """Return the rows of collected.csv and the index of the files.

    Raises what read_entries raises, and DataError, with all of them, for frames in two folders.
    """
    entries, files, problems = read_entries(root), FrameFiles(root), Problems(str(root))
    for name in entries:
        try:
            files.find(name)
        except DataError as error:
            problems.add(str(error))
    problems.check()
    return entries, files


def read_collected(root: Path) -> tuple[dict[str, ReviewedFrame], FrameFiles]:
    """Return what read_folder returns. Raises InputError for a folder that `collect` has not created."""
    if not (root / CSV_FILE).is_file():
        raise InputError(f"{root} has no {CSV_FILE}; pass a folder created by 'collect --bootstrap-servers'")
    return read_folder(root)


def collected_folders(root: Path, names: Iterable[str]) -> list[Path]:
    """Return the collected folders that were read next to a data folder, from the names of its frames."""
    beside = (file_below(root, name) for name in names if name.startswith("../"))
    found = (next((each for each in path.parents if (each / CSV_FILE).is_file()), None) for path in beside)
    return list(dict.fromkeys(folder for folder in found if folder is not None))


def unused_frames(root: Path) -> set[str]:
    """Return the names of the frames that are not used for training: not sorted yet, or excluded by a person."""
    return {path.stem for path in find_images(root) if name_below(root, path).startswith("_")}


def write_entries(root: Path, entries: Iterable[ReviewedFrame]) -> None:
    """Write collected.csv atomically, with the current path of each frame."""
    files, text = FrameFiles(root), io.StringIO(newline="")
    writer = csv.DictWriter(text, [field.name for field in fields(ReviewedFrame)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(replace(entry, file=files.file_of(entry.name))) for entry in entries)
    atomic_write(root / CSV_FILE, text.getvalue().encode())


def read_reviewed(root: Path) -> Iterator[Sample]:
    """Read layout `collected`: the class is the folder, the coil comes from collected.csv.

    Folders whose names begin with "_" are skipped. Raises DataError for a frame in two folders or outside any folder,
    and if no frame is sorted yet.
    """
    entries, _ = read_folder(root)
    samples = []
    for path in find_images(root):
        name = name_below(root, path)
        label, slash, _ = name.partition("/")
        if not slash:
            raise DataError(f"{path} has no class; move it to the folder of its class, or to {SKIP}")
        if not label.startswith("_"):
            entry = entries.get(path.stem)
            samples.append(Sample(name, (label,), (entry and entry.coil) or None))
    if not samples:
        raise DataError(
            f"{root} contains no sorted frames; sort the frames in {UNSORTED}, then run 'collect --out {root} --sorted'"
        )
    return iter(samples)
