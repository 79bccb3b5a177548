"""A folder of frames that a line was unsure of, sorted by a person: layout `collected`.

_unsorted/GUESS/ID.jpg   nobody has looked yet; GUESS is what the model took it for
LABEL/ID.jpg             this it is
_skip/ID.jpg             not to be learned from, as nothing in a folder whose name begins with "_"
collected.csv            where each frame came from
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import msgspec

from stripwatch.export.runs.files import atomic_write
from stripwatch.training.datasets.csv_rows import read_rows
from stripwatch.training.datasets.samples import Sample, find_images
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.common.path_text import name_below

CSV_FILE = "collected.csv"
UNSORTED, SKIP = "_unsorted", "_skip"
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_LABEL_CHARS_MAX = 100


@dataclass(frozen=True, slots=True)
class ReviewedFrame:
    """A line of collected.csv. id: of the frame's result. file: where it lies now, "" where it is no more.

    scores: JSON, of each label of the model. sha256: of the file, which holds the camera's own bytes, or the
    pixels of a raw buffer as PNG.
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

    @property
    def name(self) -> str:
        return safe_name(self.id)

    @property
    def labels(self) -> set[str]:
        """Those that its model knows."""
        try:
            return set(msgspec.json.decode(self.scores, type=dict[str, float]))
        except msgspec.MsgspecError:  # a spreadsheet has changed it
            return {self.guess}


def safe_name(event_id: str) -> str:
    """A file name for an id that somebody may have made up: itself where it is harmless, as ids of a worker are."""
    if _SAFE_NAME.fullmatch(event_id):
        return event_id
    harmless = re.sub(r"[^A-Za-z0-9._-]", "_", event_id)[:100]
    return f"id-{harmless}-{hashlib.sha256(event_id.encode()).hexdigest()[:16]}"


def may_be_folder(label: str) -> bool:
    """Whether a label can be the name of a folder that a person sees, and that does not mean "left out"."""
    plain = label.isprintable() and label == label.strip() and not {"/", "\\"} & set(label)
    return plain and 0 < len(label) <= _LABEL_CHARS_MAX and label[0] not in "._"


class FrameFiles:
    """Where the images below a folder lie, by name without suffix, wherever a person has moved them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._files: dict[str, list[Path]] = {}
        for path in find_images(root):
            self._files.setdefault(path.stem, []).append(path)

    def find(self, name: str) -> Path | None:
        """None where it is not there. Raises DataError for a frame in two folders: that would be two labels."""
        files = self._files.get(name, [])
        if len(files) > 1:
            raise DataError(f"{files[0]} and {files[1]} are the same frame: keep it in one folder")
        return files[0] if files else None

    def file_of(self, name: str) -> str:
        """As the list has it."""
        path = self.find(name)
        return name_below(self.root, path) if path else ""


def read_entries(root: Path) -> dict[str, ReviewedFrame]:
    """By name. Raises InputError or DataError for a list that is not ours any more."""
    path = root / CSV_FILE
    columns, rows = read_rows(path)
    wanted = [field.name for field in fields(ReviewedFrame)]
    missing = [column for column in wanted if column not in columns]
    if missing:
        raise DataError(f"{path} has no column {missing[0]}: it is written by 'collect', and read again")
    entries = (ReviewedFrame(**{column: row[column] for column in wanted}) for _, row in rows)
    return {entry.name: entry for entry in entries}


def read_folder(root: Path) -> tuple[dict[str, ReviewedFrame], FrameFiles]:
    """The list, and where everything lies. Raises what read_entries raises, DataError for a frame in two folders."""
    entries, places = read_entries(root), FrameFiles(root)
    for name in entries:
        places.find(name)
    return entries, places


def write_entries(root: Path, entries: Iterable[ReviewedFrame]) -> None:
    """Whole or not at all, each with the place where it lies now."""
    places, text = FrameFiles(root), io.StringIO(newline="")
    writer = csv.DictWriter(text, [field.name for field in fields(ReviewedFrame)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(replace(entry, file=places.file_of(entry.name))) for entry in entries)
    atomic_write(root / CSV_FILE, text.getvalue().encode())


def read_reviewed(root: Path) -> Iterator[Sample]:
    """LABEL/ID.jpg is of class LABEL, and of the coil that the list names; folders that begin with "_" are left out.

    Raises DataError for a frame in two folders or in none, and where nothing is sorted yet.
    """
    entries, _ = read_folder(root)
    samples = []
    for path in find_images(root):
        name = name_below(root, path)
        label, slash, _ = name.partition("/")
        if not slash:
            raise DataError(f"{path} has no class: move it into the folder of its class, or into {SKIP}")
        if not label.startswith("_"):
            entry = entries.get(path.stem)
            samples.append(Sample(name, (label,), (entry and entry.coil) or None))
    if not samples:
        raise DataError(
            f"{root} holds no sorted frame; once somebody has looked at {UNSORTED}: 'collect --out {root} --sorted'"
        )
    return iter(samples)
