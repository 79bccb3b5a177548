"""Check of a folder of test images for images that a model was trained on."""

from collections.abc import Iterator
from pathlib import Path

from rich.progress import Progress

from stripwatch.training.datasets.dataset import read_dataset
from stripwatch.training.preparation.finding import Finding, counted, make_finding, some
from stripwatch.training.preparation.frame_set import FrameSet, read_frame_set
from stripwatch.training.preparation.groups import group_links
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
    count = len(frames.samples)
    digests = [*frames.digests, *other.digests]
    coils = [sample.coil for sample in [*frames.samples, *other.samples]]
    pairs = [
        *group_links([digest.pixels_sha256 for digest in digests]),
        *find_near_duplicates([digest.thumbnail for digest in digests]),
        *group_links(coils),
    ]
    leaks = sorted({(a, b - count) for a, b in pairs if a < count <= b})
    if leaks:
        named = [(frames.samples[a].name, other.samples[b].name) for a, b in leaks]
        images = len({b for _, b in leaks})
        what = (
            f"{images:,} of {counted(len(other.samples), 'image')} in {path_text(test)} are near duplicates of images "
            f"of the data set, or from the same coils: {some([f'{a} and {b}' for a, b in named])}"
        )
        yield make_finding("leak-to-test", what, [a for a, _ in named], remedy=None)
