"""Collection of review frames from Kafka into a folder that a person sorts. Existing files are never changed."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stripwatch.export.runs.files import atomic_write
from stripwatch.training.datasets.reviewed_folder import (
    CSV_FILE,
    FrameFiles,
    ReviewedFrame,
    read_folder,
    safe_name,
    write_entries,
)
from stripwatch.training.labeling.corrected_frames import NOT_A_DEFECT, CorrectedFrames
from stripwatch.training.labeling.review_record import ReviewRecord, read_review
from stripwatch.worker.common.errors import FrameRejected, InputError
from stripwatch.worker.common.folders import make_folder
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.contracts.frame_headers import NAMELESS
from stripwatch.worker.contracts.positions import Record
from stripwatch.worker.images.decode_spec import DecodeLimits
from stripwatch.worker.images.headers.reader import read_header
from stripwatch.worker.images.image_files import SUFFIXES
from stripwatch.worker.images.lossless_png import raw_to_png


class Collector:
    """Adds review frames to a folder.

    Frames are identified by id. A frame is known if it is in collected.csv; a file left by a killed run is not
    written again. A frame that a person has corrected is placed in the folder of its true label. A novel frame, or one
    that an anomaly model found, is placed in a folder of its own, because no label of the model may fit.
    """

    def __init__(self, out: Path, frames_max: int, no_defect: str = "", only_novel: bool = False) -> None:
        """Open a folder, or create it.

        frames_max: maximum number of new frames; 0 sets no limit. no_defect: label of frames that a person called not
        a defect, if their model has no label for that; "" leaves them unlabelled. only_novel: pass over frames that are
        neither novel nor found by an anomaly model. Raises InputError if the folder contains other files.
        """
        claim(out)
        self._out = out
        self._frames_max = frames_max
        self._entries, self._files = read_folder(out) if (out / CSV_FILE).is_file() else ({}, FrameFiles(out))
        self._corrections = CorrectedFrames(out, self._files, no_defect)
        self._only_novel = only_novel
        self._read = self._known = self._unreadable = self._passed_over = self._novel = 0
        self._guesses: Counter[str] = Counter()

    @property
    def full(self) -> bool:
        """Return whether the maximum number of new frames is reached."""
        return 0 < self._frames_max <= self._guesses.total()

    def collect(self, records: Iterable[Record]) -> None:
        """Add frames until the records end or frames_max is reached. collected.csv is written even after an error.

        It is also written first, because a killed run would otherwise leave a folder that the next run refuses.
        """
        write_entries(self._out, self._entries.values())
        try:
            for record in records:
                self._add(record)
                if self.full:
                    break
        finally:
            write_entries(self._out, self._entries.values())
        if count := self._corrections.without_label:
            say(
                f"{count} corrected frames are not a defect, but their model has no label for that; they are in "
                f"{self._out / NOT_A_DEFECT} and are not used for training. To use them, run the command again with "
                "--no-defect LABEL"
            )

    def summary(self) -> dict[str, Any]:
        """Return counts as JSON. guesses: number of new frames by predicted label.

        novel: number of new frames that are novel or that an anomaly model found. passed_over: number of records that
        were not selected.
        corrected: number of frames by the label that a person gave them. conflicts: number of corrected frames that
        were sorted by hand under another label, where they stay.
        """
        return {
            "out": str(self._out),
            "records_read": self._read,
            "new": self._guesses.total(),
            "novel": self._novel,
            "known": self._known,
            "passed_over": self._passed_over,
            "unreadable": self._unreadable,
            "full": self.full,
            "guesses": dict(self._guesses.most_common()),
            "corrected": dict(Counter(self._corrections.corrected.values()).most_common()),
            "conflicts": self._corrections.conflicts,
            "listed": len(self._entries),
        }

    def _add(self, record: Record) -> None:
        self._read += 1
        try:
            reviewed = read_review(record)
            name = safe_name(reviewed.id)
            if name in self._entries:
                self._known += 1
                self._correct(name, reviewed)
                return
            if self._only_novel and reviewed.reason not in NAMELESS:
                self._passed_over += 1
                return
            content = _file_content(reviewed)
            suffix = SUFFIXES[read_header(content).format]
        except (ValueError, FrameRejected) as error:
            self._unreadable += 1
            say(f"{record.position} cannot be collected for review: {error}")
            return
        entry = _entry(reviewed, content)
        if self._files.find(name) is None:
            folder = self._out / entry.unsorted_folder
            make_folder(folder)
            atomic_write(folder / (name + suffix), content)
            self._files.put(name, folder / (name + suffix))
        self._entries[name] = entry
        self._guesses[reviewed.guess] += 1
        self._novel += entry.is_nameless
        self._correct(name, reviewed)

    def _correct(self, name: str, reviewed: ReviewRecord) -> None:
        if reviewed.correction:
            self._entries[name] = self._corrections.apply(self._entries[name], reviewed.correction)


def claim(out: Path) -> None:
    """Create a folder. Raises InputError if it contains other files than those of `collect`."""
    if (out / CSV_FILE).is_file():
        return
    make_folder(out)
    found = next(out.iterdir(), None)
    if found is not None:
        raise InputError(
            f"{out} contains {found.name!r} but no {CSV_FILE}; choose a new folder, or one created by 'collect'"
        )


def _file_content(reviewed: ReviewRecord) -> bytes:
    """Return the original bytes from the camera, or a PNG file with the same pixels for a raw buffer."""
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
        reason=reviewed.reason,
        novelty=_number(reviewed.novelty),
        novelty_threshold=_number(reviewed.novelty_threshold),
        boxes=reviewed.boxes,
        no_defect=reviewed.no_defect,
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
