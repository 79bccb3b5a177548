"""`stripwatch inspect`: the pipeline over a folder of images, without a broker. Writes one event per line."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry
from rich.progress import Progress

from stripwatch.worker.common.atomic_files import rename_when_complete
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.common.folders import require_outside
from stripwatch.worker.common.path_text import name_below, path_text
from stripwatch.worker.common.terminal.console import new_progress, say
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.events import Reject, Result
from stripwatch.worker.contracts.frame import Frame, event_id
from stripwatch.worker.contracts.positions import Partition, Position
from stripwatch.worker.contracts.timestamps import is_capture_time
from stripwatch.worker.images.image_files import ImageFolder, list_images
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.model.loading.open_model import load_model
from stripwatch.worker.model.trained_range import SizeCheck, size_warning
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.pipeline.consume.backpressure import InFlightLimiter
from stripwatch.worker.pipeline.consume.offset_tracker import OffsetTracker
from stripwatch.worker.pipeline.inspect.observer import FrameObserver
from stripwatch.worker.pipeline.inspect.pipeline import Pipeline
from stripwatch.worker.pipeline.inspect.publish_stage import OutgoingFrame

_FILES_CHECKED_MAX = 200


def inspect_folder(settings: Settings, folder: Path, out: Path, force: bool = False) -> dict[str, Any]:
    """Write an event for each image in the folder, in order of the file names. Return counts.

    A file that cannot be read is skipped and reported. The output gets its final name when it is complete; after an
    error it keeps the suffix .part. Raises InputError for a folder that is missing or contains no readable image, and
    for an existing output file unless `force` is True.
    """
    require_outside("--out", out, [folder])
    images = list_images(folder)
    if out.is_dir():
        raise InputError(f"{out} is a folder; --out must name a file")
    if not out.absolute().parent.is_dir():
        raise InputError(f"cannot write {out}: the folder {out.parent} does not exist; create it first")
    if out.exists() and not force:
        raise InputError(f"{out} already exists; use --force to replace it")
    model = load_model(settings)
    warn_of_sizes(model.size_check, images.files)
    with rename_when_complete(out) as part:
        try:
            lines = part.open("wb", buffering=0)  # so that a full disk fails at the line that did not fit
        except OSError as error:
            raise InputError(f"cannot write {part}: {error.strerror}") from error
        for note in images.notes:
            say(note)
        with lines, _report_incomplete_file(part), new_progress() as progress:
            summary = _FolderInspection(settings, model, LinesPublisher(lines), images, progress).run()
        if not summary["frames"]:
            part.unlink()
            count = len(images.files)
            which = "the only image file" if count == 1 else f"none of the {count} image files"
            raise InputError(f"{which} in {path_text(folder)} can{'not' if count == 1 else ''} be read")
    return {"out": str(out), "bundle": model.info.name, "provider": model.session.provider, **summary}


@contextmanager
def _report_incomplete_file(part: Path) -> Iterator[None]:
    """After an error, report which file contains the events written so far."""
    try:
        yield
    except BaseException:
        say(f"{path_text(part)} is incomplete; it contains the events written before the error")
        raise


class LinesPublisher:
    """Writes one JSON object per line. A frame is settled when its line is written."""

    def __init__(self, lines: FileIO) -> None:
        self._lines = lines
        self._encoder = msgspec.json.Encoder()

    def publish(self, outgoing: OutgoingFrame) -> None:
        try:
            self._lines.write(self._encoder.encode(outgoing.event) + b"\n")
        except OSError as error:
            raise InputError(f"cannot write {self._lines.name}: {error.strerror}") from error
        outgoing.settle()

    def flush(self, timeout_s: float) -> None:
        """Do nothing, because each line is written at once."""


class _FolderInspection(FrameObserver):
    """One run over the files, which replaces the consumer and counts the results."""

    def __init__(
        self,
        settings: Settings,
        model: LoadedModel,
        publisher: LinesPublisher,
        images: ImageFolder,
        progress: Progress,
    ) -> None:
        self._tracker = OffsetTracker()
        self._limiter = InFlightLimiter(settings.inflight.frames_max, settings.inflight.bytes_max)
        self._images = images
        self._progress = progress
        self._counts: Counter[str] = Counter()
        self._labels: Counter[str] = Counter()
        self._unreadable: list[str] = []
        self._times_unknown = 0
        self._flags: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        metrics = Metrics(CollectorRegistry())
        self._pipeline = Pipeline(settings, model, publisher, self._tracker, self._limiter, metrics, observer=self)

    def run(self) -> dict[str, Any]:
        started_s, files = time.monotonic(), self._images.files
        self._task = self._progress.add_task("inspect", total=len(files))
        self._tracker.assign([Partition(path_text(self._images.root), 0)])
        self._pipeline.start()
        try:
            for number, path in enumerate(files):
                self._take(number, path)
        finally:  # also when interrupted, so that the stages end before the file is closed
            self._pipeline.drain(threading.TIMEOUT_MAX)
        self._pipeline.raise_failure()
        if self._times_unknown:
            say(
                f"note: files with a modification time before 2000 or in the future: {self._times_unknown}; "
                "captured_at of their events is the time of this inspection"
            )
        seconds = time.monotonic() - started_s
        return {
            "frames": len(files) - len(self._unreadable),
            "files_skipped": len(self._images.skipped) + len(self._unreadable),
            **{name: self._counts[name] for name in ("results", "rejects", "clean", "unsure", "defect")},
            "labels": dict(sorted(self._labels.items())),
            "flags": dict(sorted(self._flags.items())),
            "unsure_reasons": dict(sorted(self._reasons.items())),
            "seconds": round(seconds, 2),
            "file_times_unknown": self._times_unknown,
            "frames_per_second": round((len(files) - len(self._unreadable)) / seconds, 1),
            "file_counts": msgspec.to_builtins(self._images.counts(self._unreadable)),
        }

    def _take(self, number: int, path: Path) -> None:
        while not self._limiter.wait_for_room(1):
            self._pipeline.raise_failure()
        try:
            frame, time_known = read_file(path, self._images.root, number)
        except InputError as error:
            self._unreadable.append(name_below(self._images.root, path))
            say(f"skipping one file: {error}")
            self._progress.advance(self._task)
            return
        self._times_unknown += not time_known
        self._limiter.acquire(len(frame.encoded))
        self._tracker.register(frame.position)
        self._pipeline.take(frame)

    def on_delivered(self, event: Result | Reject, frame: Frame) -> None:  # noqa: ARG002
        if isinstance(event, Reject):
            self._counts["rejects"] += 1
        else:
            self._counts.update(("results", event.verdict or "skipped"))
            self._labels[event.label or ""] += 1
            self._flags.update(event.flags)
            self._reasons.update([event.reason] if event.reason else [])
        self._progress.advance(self._task)


def warn_of_sizes(check: SizeCheck, files: Sequence[Path]) -> None:
    """Warn about files whose size or scale differs from the training frames.

    It reads headers only, before the first inspection, and checks up to 200 files, evenly spaced, because reading all
    of them would double the time on a slow drive. The inspection itself flags every such frame.
    """
    step = -(-len(files) // _FILES_CHECKED_MAX)
    if check.active and (warning := size_warning(check, map(_read, files[::step]))):
        say(warning if step == 1 else f"{warning}; checked {len(files[::step])} of {len(files)} files so far")


def _read(path: Path) -> bytes:
    """Return the content of a file, or nothing if it cannot be read, which the inspection itself reports."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def read_file(path: Path, folder: Path, number: int) -> tuple[Frame, bool]:
    """Return a file as a frame, and whether its modification time is a plausible capture time.

    If it is not, as for files from a reproducible archive, the frame counts as captured now. The id always depends on
    the modification time, so that it is the same in every inspection. Raises InputError.
    """
    try:
        encoded = path.read_bytes()
        written_ms = round(path.stat().st_mtime * 1000)
    except OSError as error:
        raise InputError(f"cannot read {path_text(path)}: {error.strerror}") from error
    now_ms = round(time.time() * 1000)
    time_known = is_capture_time(written_ms, now_ms)
    captured_ms = written_ms if time_known else now_ms
    name = name_below(folder, path)
    position = Position(path_text(folder), 0, number)
    frame = Frame(
        id=event_id(Position(name, 0, number), written_ms, ""),
        position=position,
        encoded=encoded,
        camera=path_text(path.parent.name) or "folder",
        line=None,
        coil=None,
        strip_position_mm=None,
        captured_ms=captured_ms,
        timestamp_ms=captured_ms,
        received_s=time.monotonic(),
        file=name,
    )
    return frame, time_known
