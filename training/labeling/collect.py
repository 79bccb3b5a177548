"""From the review topic to a folder in which a person sorts: what is there already is never touched."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stripwatch.export.runs.files import atomic_write, make_folder
from stripwatch.training.datasets.reviewed_folder import (
    CSV_FILE,
    UNSORTED,
    ReviewedFrame,
    may_be_folder,
    read_folder,
    safe_name,
    write_entries,
)
from stripwatch.training.labeling.review_record import ReviewRecord, read_review
from stripwatch.worker.common.console import say
from stripwatch.worker.common.errors import FrameRejected, InputError
from stripwatch.worker.contracts.positions import Record
from stripwatch.worker.images.decode_spec import DecodeLimits
from stripwatch.worker.images.headers.reader import read_header
from stripwatch.worker.images.image_files import SUFFIXES
from stripwatch.worker.images.lossless_png import raw_to_png

_NO_FOLDER = "_other"  # for a guess that cannot be the name of one


class Collector:
    """Adds to a folder. A frame is known by its id: from the list, or by a file that a killed run has left."""

    def __init__(self, out: Path, frames_max: int) -> None:
        """frames_max: new ones; 0 sets no limit. Raises InputError for a folder that is not ours to write in."""
        claim(out)
        self._out = out
        self._frames_max = frames_max
        self._entries, self._places = read_folder(out)
        self._read = self._known = self._unreadable = 0
        self._guesses: Counter[str] = Counter()

    @property
    def full(self) -> bool:
        return 0 < self._frames_max <= self._guesses.total()

    def collect(self, records: Iterable[Record]) -> None:
        """Until they end, or there are enough new ones. Whatever ends it, the list says what is there."""
        try:
            for record in records:
                self._add(record)
                if self.full:
                    break
        finally:
            write_entries(self._out, self._entries.values())

    def summary(self) -> dict[str, Any]:
        return {
            "out": str(self._out),
            "records_read": self._read,
            "new": self._guesses.total(),
            "known": self._known,
            "unreadable": self._unreadable,
            "full": self.full,
            "guesses": dict(self._guesses.most_common()),
            "listed": len(self._entries),
        }

    def _add(self, record: Record) -> None:
        self._read += 1
        try:
            reviewed = read_review(record)
            name = safe_name(reviewed.id)
            if name in self._entries:
                self._known += 1
                return
            content = _file_content(reviewed)
            suffix = SUFFIXES[read_header(content).format]
        except (ValueError, FrameRejected) as error:
            self._unreadable += 1
            say(f"{record.position} cannot be collected for review: {error}")
            return
        if self._places.find(name) is None:
            folder = self._out / UNSORTED / (reviewed.guess if may_be_folder(reviewed.guess) else _NO_FOLDER)
            make_folder(folder)
            atomic_write(folder / (name + suffix), content)
        self._entries[name] = _entry(reviewed, content)
        self._guesses[reviewed.guess] += 1


def claim(out: Path) -> None:
    """Make a folder with an empty list, unless it has one. Raises InputError where something else lies there."""
    if (out / CSV_FILE).is_file():
        return
    make_folder(out)
    found = next(out.iterdir(), None)
    if found is not None:
        raise InputError(f"{out} holds {found.name!r} and no {CSV_FILE}: choose a new folder, or one of 'collect'")
    write_entries(out, [])


def _file_content(reviewed: ReviewRecord) -> bytes:
    """The camera's own bytes; of a raw buffer, which no viewer shows, a PNG file that decodes to the same pixels."""
    if reviewed.layout is None:
        return reviewed.encoded
    return raw_to_png(reviewed.encoded, reviewed.layout, DecodeLimits())


def _entry(reviewed: ReviewRecord, content: bytes) -> ReviewedFrame:
    return ReviewedFrame(
        id=reviewed.id,
        file="",
        guess=reviewed.guess,
        score=f"{reviewed.score:.4f}",
        scores=reviewed.scores,
        camera=reviewed.camera,
        coil=reviewed.coil,
        captured_at=reviewed.captured_at,
        model=reviewed.model,
        model_sha256=reviewed.model_sha256,
        sha256=hashlib.sha256(content).hexdigest(),
    )
