"""Comparison of the results of two bundles on the same frames."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from rich.table import Table

from stripwatch.export.runs.files import read_whole
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.common.path_text import file_below, name_below, path_text
from stripwatch.worker.common.terminal.console import new_progress, say
from stripwatch.worker.common.terminal.file_counts import FileCounts
from stripwatch.worker.contracts.events import UnsureReason
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.images.image_files import list_images
from stripwatch.worker.model.inspection import Inspection
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.model.loading.open_model import load_bundle
from stripwatch.worker.model.providers import Provider
from stripwatch.worker.model.trained_range import TrainedFrames

_TILES_MAX = 60
_NAMED_MAX = 100


@dataclass(frozen=True, slots=True)
class Pair:
    """The results of both bundles for one frame. name: path of the file below the folder."""

    name: str
    a: Inspection
    b: Inspection

    @property
    def agree(self) -> bool:
        return (self.a.verdict, self.a.label) == (self.b.verdict, self.b.label)

    @property
    def score_difference(self) -> float:
        """Return the largest score difference over all labels; a label unknown to one bundle scores 0 there."""
        labels = self.a.scores.keys() | self.b.scores.keys()
        return max(abs(self.a.scores.get(label, 0.0) - self.b.scores.get(label, 0.0)) for label in labels)


@dataclass(frozen=True, slots=True)
class Difference:
    """Comparison of two bundles on a folder of frames.

    identical: both are the same bundle.
    pairs: frames that both bundles inspected. rejected: names of frames that could not be read or decoded.
    files_skipped: number of other files, as in `ImageFolder.skipped`. trained: training frames of bundle a and of
    bundle b. decode: decode spec of bundle a. files: counts of the folder.
    """

    pairs: list[Pair]
    rejected: list[str]
    files_skipped: int = 0
    trained: tuple[TrainedFrames | None, TrainedFrames | None] = (None, None)
    decode: DecodeSpec | None = None
    files: FileCounts = field(default_factory=lambda: FileCounts(0, {}))
    identical: bool = False

    @property
    def differing(self) -> list[Pair]:
        """Return the frames with different verdict or label, those with the largest score difference first."""
        return sorted((pair for pair in self.pairs if not pair.agree), key=lambda pair: -pair.score_difference)


def facts(difference: Difference, a: Path, b: Path) -> dict[str, str]:
    """Return the table for people."""
    pairs, differing = difference.pairs, difference.differing
    found = {
        "A": path_text(a),
        "B": path_text(b) + (" (the same bundle as A)" if difference.identical else ""),
        "frames": f"{len(pairs):,}",
        "same label and verdict": f"{1 - len(differing) / len(pairs):.2%}; different in {len(differing):,}",
        "largest score difference": f"{max(pair.score_difference for pair in pairs):.4f}",
    }
    novel = _novel_shares(pairs)
    if any(share is not None for share in novel.values()):
        texts = (f"{name} {'no novelty score' if share is None else f'{share:.2%}'}" for name, share in novel.items())
        found["novel"] = ", ".join(texts)
    unusual = {"not readable": len(difference.rejected)}
    return found | {name: f"{count:,}" for name, count in unusual.items() if count} | {"files": difference.files.text}


def _novel_shares(pairs: list[Pair]) -> dict[str, float | None]:
    """Return the share of frames that each bundle calls novel; None for a bundle without a novelty score."""
    shares: dict[str, float | None] = {}
    for name, results in (("A", [pair.a for pair in pairs]), ("B", [pair.b for pair in pairs])):
        novel = sum(result.reason is UnsureReason.NOVEL for result in results)
        shares[name] = None if results[0].novelty is None else novel / len(results)
    return shares


def differing_table(difference: Difference, rows_max: int) -> Table:
    """Return a table of the frames with the largest score differences among those with different results."""
    shown = difference.differing[:rows_max]
    rest = len(difference.differing) - len(shown)
    table = Table("frame", "A", "B", caption=f"and {rest:,} more; --json has up to {_NAMED_MAX}" if rest else None)
    for pair in shown:
        table.add_row(pair.name, describe(pair.a), describe(pair.b))
    return table


def describe(result: Inspection) -> str:
    """Return a result as text, such as "defect: scratches 0.997" or "unsure (novel): scratches 0.997"."""
    reason = f" ({result.reason})" if result.reason is UnsureReason.NOVEL else ""
    return f"{result.verdict}{reason}: {result.label} {result.score:.3f}"


def compare(a: Path, b: Path, folder: Path, provider: Provider = "auto") -> Difference:
    """Run two bundles over the image files below a folder, each with its own decode spec.

    a, b: bundle files, or REGISTRY/NAME. Raises the worker's errors for an invalid bundle, InputError if no frame in
    the folder can be decoded.
    """
    images = list_images(folder)
    files = images.files
    for note in images.notes:
        say(note)
    models = [load_bundle(each, provider) for each in (a, b)]
    with new_progress() as progress:
        task = progress.add_task("compare", total=2 * len(files))
        of_a = _inspect_files(models[0], files, lambda: progress.advance(task))
        identical = models[0].session.bundle.sha256 == models[1].session.bundle.sha256
        # Batches of two runs may be of different sizes, which changes the last digits of the scores.
        of_b = of_a if identical else _inspect_files(models[1], files, lambda: progress.advance(task))
    if not of_a.keys() & of_b.keys():
        raise InputError(f"no image in {path_text(folder)} can be decoded by both bundles")
    names = {path: name_below(folder, path) for path in files}
    pairs = [Pair(names[path], of_a[path], of_b[path]) for path in files if path in of_a and path in of_b]
    rejected = [names[path] for path in files if path not in of_a or path not in of_b]
    of_bundle_a, of_bundle_b = (model.session.bundle.manifest for model in models)
    trained = of_bundle_a.trained, of_bundle_b.trained
    return Difference(
        pairs, rejected, len(images.skipped), trained, of_bundle_a.decode, images.counts(rejected), identical
    )


def _inspect_files(model: LoadedModel, files: Sequence[Path], advance: Callable[[], None]) -> dict[Path, Inspection]:
    """Return the result of each file that the model can inspect."""

    def read(path: Path) -> bytes:
        advance()
        try:
            return read_whole(path)
        except InputError:
            return b""  # the model rejects an empty file

    results = zip(files, model.inspect_each(map(read, files)), strict=True)
    return {path: result for path, result in results if isinstance(result, Inspection)}


def draw_differing(difference: Difference, folder: Path) -> bytes:
    """Return a contact sheet as PNG of the frames with different results, with the results of both bundles."""
    from stripwatch.export.reporting.figures import (  # needs matplotlib, which the comparison does not
        Tile,
        decode_tile,
        draw_sheet,
    )

    shown = difference.differing[:_TILES_MAX]
    title = f"{len(difference.differing)} of {len(difference.pairs)} frames have different results"
    if len(shown) < len(difference.differing):
        title += f"; the {len(shown)} with the largest score difference are shown"
    captions = [f"{pair.name}\nA {describe(pair.a)}\nB {describe(pair.b)}" for pair in shown]
    images = [decode_tile(read_whole(file_below(folder, pair.name)), difference.decode) for pair in shown]
    tiles = [Tile(image, caption) for image, caption in zip(images, captions, strict=True)]
    return draw_sheet(title, tiles)


def as_json(difference: Difference) -> dict[str, Any]:
    """Return the comparison as JSON. agreement: share of frames with the same label and verdict.

    differing: at most 100 frames. novel_a, novel_b: share of frames that are novel; None without a novelty score.
    """
    pairs, differing = difference.pairs, difference.differing
    trained_a, trained_b = (each and str(each) for each in difference.trained)
    return {
        "trained_a": trained_a,
        "trained_b": trained_b,
        "identical": difference.identical,
        "frames": len(pairs),
        "rejected": len(difference.rejected),
        "files_skipped": difference.files_skipped,
        "file_counts": msgspec.to_builtins(difference.files),
        "agreement": 1 - len(differing) / len(pairs),
        "same_label": sum(pair.a.label == pair.b.label for pair in pairs) / len(pairs),
        "score_difference": max(pair.score_difference for pair in pairs),
        "novel_a": _novel_shares(pairs)["A"],
        "novel_b": _novel_shares(pairs)["B"],
        "differing": [
            {"frame": pair.name, "a": describe(pair.a), "b": describe(pair.b)} for pair in differing[:_NAMED_MAX]
        ],
    }
