"""`stripwatch export diff`: what two bundles say of the same frames."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from stripwatch.export.runs.files import read_whole
from stripwatch.worker.common.console import new_progress, say
from stripwatch.worker.common.errors import FrameRejected, InputError
from stripwatch.worker.common.path_text import file_below, name_below, path_text
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec, Image
from stripwatch.worker.images.image_files import list_images
from stripwatch.worker.model.bundle_store import load_resolved, resolve_bundle
from stripwatch.worker.model.providers import Provider
from stripwatch.worker.model.session import Session, open_session
from stripwatch.worker.model.trained_range import SizeCheck, TrainedFrames
from stripwatch.worker.model.verdict import Decision, decision_policy

_BATCH = 16
_TILES_MAX = 60
_NAMED_MAX = 100


@dataclass(frozen=True, slots=True)
class FrameAnswer:
    """What the worker would say of a frame. scores: calibrated, by label."""

    decision: Decision
    scores: dict[str, float]

    @property
    def text(self) -> str:
        return f"{self.decision.verdict}: {self.decision.label} {self.decision.score:.3f}"


@dataclass(frozen=True, slots=True)
class Pair:
    """Both answers to a frame. name: of its file, from the folder."""

    name: str
    a: FrameAnswer
    b: FrameAnswer

    @property
    def agree(self) -> bool:
        return (self.a.decision.verdict, self.a.decision.label) == (self.b.decision.verdict, self.b.decision.label)

    @property
    def score_difference(self) -> float:
        """The largest over the labels; one that the other bundle does not know has a score of 0 there."""
        labels = self.a.scores.keys() | self.b.scores.keys()
        return max(abs(self.a.scores.get(label, 0.0) - self.b.scores.get(label, 0.0)) for label in labels)


@dataclass(frozen=True, slots=True)
class Difference:
    """rejected: names of frames that cannot be read or decoded. pairs: the others.

    files_skipped: what the folder holds besides, as `ImageFolder.skipped` has it. trained: the training frames of a and
    of b. decode: of a.
    """

    pairs: list[Pair]
    rejected: list[str]
    files_skipped: int = 0
    trained: tuple[TrainedFrames | None, TrainedFrames | None] = (None, None)
    decode: DecodeSpec | None = None

    @property
    def differing(self) -> list[Pair]:
        """Where the worker would say something else; the largest difference first."""
        return sorted((pair for pair in self.pairs if not pair.agree), key=lambda pair: -pair.score_difference)


def compare(a: Path, b: Path, folder: Path, provider: Provider = "auto") -> Difference:
    """Run two bundles, each a file or STORE/NAME, over the image files below a folder, each with its own decode.

    Raises what the worker raises for a bundle that is unfit, InputError for a folder without a readable frame.
    """
    images = list_images(folder)
    files = images.files
    for note in images.notes:
        say(note)
    sessions = [open_session(load_resolved(resolve_bundle(each)), provider, batch_frames_max=_BATCH) for each in (a, b)]
    with new_progress() as progress:
        task = progress.add_task("compare", total=2 * len(files))
        of_a, of_b = (dict(_answers(session, files, lambda: progress.advance(task))) for session in sessions)
    if not of_a.keys() & of_b.keys():
        raise InputError(f"{path_text(folder)} has no frame that can be decoded")
    names = {path: name_below(folder, path) for path in files}
    pairs = [Pair(names[path], of_a[path], of_b[path]) for path in files if path in of_a and path in of_b]
    rejected = [names[path] for path in files if path not in of_a or path not in of_b]
    trained_a, trained_b = (session.bundle.manifest.trained for session in sessions)
    decode_a = sessions[0].bundle.manifest.decode
    return Difference(pairs, rejected, len(images.skipped), (trained_a, trained_b), decode_a)


def _answers(
    session: Session, files: Sequence[Path], advance: Callable[[], None]
) -> Iterator[tuple[Path, FrameAnswer]]:
    """What a bundle says of each file that it can decode."""
    manifest = session.bundle.manifest
    judge, check = decision_policy(manifest, {}), SizeCheck(manifest.trained)
    for at in range(0, len(files), _BATCH):
        decoded = list(_decoded(files[at : at + _BATCH], manifest.decode, advance))
        if not decoded:
            continue
        scores = session.predict(np.stack([image.pixels for _, image in decoded])).scores
        for (path, image), row in zip(decoded, scores.tolist(), strict=True):
            decision = judge.decide(row)
            if image.flags or check.flags(image.width_px, image.height_px):
                decision = replace(decision, verdict="unsure")
            yield path, FrameAnswer(decision, dict(zip(manifest.labels, decision.scores, strict=True)))


def _decoded(files: Sequence[Path], spec: DecodeSpec, advance: Callable[[], None]) -> Iterator[tuple[Path, Image]]:
    for path in files:
        advance()
        with suppress(FrameRejected, InputError):
            yield path, decode(read_whole(path), spec)


def draw_differing(difference: Difference, folder: Path) -> bytes:
    """A contact sheet, PNG, of the frames on which they differ, with what each says."""
    from stripwatch.export.reporting.figures import (  # it needs matplotlib, the comparison does not
        Tile,
        decode_tile,
        draw_sheet,
    )

    shown = difference.differing[:_TILES_MAX]
    title = f"{len(difference.differing)} of {len(difference.pairs)} frames get another answer"
    if len(shown) < len(difference.differing):
        title += f"; the {len(shown)} with the largest difference"
    captions = [f"{pair.name}\nA {pair.a.text}\nB {pair.b.text}" for pair in shown]
    images = [decode_tile(read_whole(file_below(folder, pair.name)), difference.decode) for pair in shown]
    tiles = [Tile(image, caption) for image, caption in zip(images, captions, strict=True)]
    return draw_sheet(title, tiles)


def as_json(difference: Difference) -> dict[str, Any]:
    """agreement: share of frames with the same label and verdict. differing: the first hundred."""
    pairs, differing = difference.pairs, difference.differing
    trained_a, trained_b = (each and str(each) for each in difference.trained)
    return {
        "trained_a": trained_a,
        "trained_b": trained_b,
        "frames": len(pairs),
        "rejected": len(difference.rejected),
        "files_skipped": difference.files_skipped,
        "agreement": 1 - len(differing) / len(pairs),
        "same_label": sum(pair.a.decision.label == pair.b.decision.label for pair in pairs) / len(pairs),
        "score_difference": max(pair.score_difference for pair in pairs),
        "differing": [{"frame": pair.name, "a": pair.a.text, "b": pair.b.text} for pair in differing[:_NAMED_MAX]],
    }
