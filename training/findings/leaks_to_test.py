"""Check of a folder of test images for images that a model was trained on."""

import os
from collections.abc import Iterator
from pathlib import Path

from rich.progress import Progress

from stripwatch.training.datasets.dataset import read_dataset
from stripwatch.training.preparation.finding import Finding, counted, make_finding, some
from stripwatch.training.preparation.frame_set import FrameSet, read_frame_set
from stripwatch.training.preparation.near_duplicates import find_near_duplicates
from stripwatch.worker.common.path_text import path_text
from stripwatch.worker.images.decode_spec import DecodeSpec


def check_test_folder(frames: FrameSet, test: Path, spec: DecodeSpec, progress: Progress) -> Iterator[Finding]:
    """Yield a finding if test images are duplicates of images of the data set, or from the same coils.

    spec: that of `frames`. Raises what read_dataset raises.
    """
    dataset = read_dataset(test, one_class=True)
    task = progress.add_task(f"reading {path_text(test.name)}", total=len(dataset.samples))
    other = read_frame_set(dataset, spec, lambda: progress.advance(task))
    leaks = _leaks(frames, other)
    if leaks:
        named = [(frames.samples[a].name, other.samples[b].name) for b, a in leaks.items()]
        what = (
            f"{len(leaks):,} of {counted(len(other.samples), 'image')} in {path_text(test)} are near duplicates of "
            f"images of the data set, or from the same coils: {some([f'{a} and {b}' for a, b in named])}"
        )
        folder = path_text(Path(os.path.relpath(test.resolve(), frames.dataset.root.resolve())).as_posix())
        yield make_finding("leak-to-test", what, pairs=[(a, f"{folder}/{b}") for a, b in named])


def _leaks(frames: FrameSet, other: FrameSet) -> dict[int, int]:
    """Return the position of each test image that leaks, with that of an image of the data set that it is like."""
    known: dict[tuple[str, str], int] = {}
    for at, keys in enumerate(_keys(frames)):
        for key in keys:
            known.setdefault(key, at)
    found = {at: known[key] for at, keys in enumerate(_keys(other)) for key in keys if key in known}
    count = len(frames.samples)
    thumbnails = [digest.thumbnail for digest in [*frames.digests, *other.digests]]
    for first, second in find_near_duplicates(thumbnails):
        if first < count <= second:
            found.setdefault(second - count, first)
    return dict(sorted(found.items()))


def _keys(frames: FrameSet) -> Iterator[list[tuple[str, str]]]:
    """Yield what an image shares with its copies and with the other images of its coil."""
    for sample, digest in zip(frames.samples, frames.digests, strict=True):
        coil = [] if sample.coil is None else [("coil", sample.coil)]
        yield [*coil, ("pixels", digest.pixels_sha256)]
