"""What a data set holds, before anybody trains on it: balance, sizes, copies, files that cannot be read."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from stripwatch.training.datasets.dataset import CLEAN, DataSet, read_dataset
from stripwatch.training.datasets.samples import Sample
from stripwatch.training.preparation.digests import FrameDigest, try_digests
from stripwatch.training.preparation.groups import group_links
from stripwatch.training.preparation.near_duplicates import find_near_duplicates
from stripwatch.training.preparation.sample_depths import (
    DepthGroup,
    SampleDepth,
    group_depths,
    suggested_bit_depth,
)
from stripwatch.worker.common.console import new_progress, say
from stripwatch.worker.common.errors import DataError, StripwatchError
from stripwatch.worker.images.decode_spec import DecodeSpec

_ANY_SIZE = DecodeSpec(256, 256)  # copies are compared at this size


@dataclass(frozen=True, slots=True)
class Survey:
    """samples: those that can be read. sizes: "WIDTHxHEIGHT" to images. Pairs and unreadable name files.

    depths: of the samples of each file, in the order of samples.
    """

    dataset: DataSet
    samples: list[Sample]
    sizes: dict[str, int]
    same: list[tuple[str, str]]
    similar: list[tuple[str, str]]
    unreadable: list[str]
    depths: list[SampleDepth]

    @property
    def depth_groups(self) -> list[DepthGroup]:
        return group_depths([sample.name for sample in self.samples], self.depths)

    @property
    def bit_depth(self) -> int | None:
        """What fit needs as --bit-depth; None where it needs nothing."""
        return suggested_bit_depth(self.depths)

    @property
    def bits_used(self) -> int:
        """Of the files of 16 bits that do not declare a depth."""
        return max((group.used for group in self.depth_groups if group.stored > 8 and not group.declared), default=0)

    @property
    def balance(self) -> dict[str, int]:
        """Images a label, those without one as "clean"; an image with two labels counts twice."""
        counts = Counter(label for sample in self.samples for label in sample.labels or (CLEAN,))
        return dict(sorted(counts.items()))

    @property
    def disputed(self) -> list[tuple[str, str]]:
        """Copies whose labels differ."""
        labels = {sample.name: sample.labels for sample in self.samples}
        return [(a, b) for a, b in self.same + self.similar if labels[a] != labels[b]]


def survey(root: Path, layout: str) -> Survey:
    """Read every image once. Raises what read_dataset raises; a file that cannot be read is part of the result."""
    dataset = read_dataset(root, layout)
    for note in dataset.notes:
        say(note)
    with new_progress() as progress:
        task = progress.add_task("reading", total=len(dataset.samples))
        found = list(try_digests(dataset, _ANY_SIZE, lambda: progress.advance(task)))
    unreadable = [str(digest) for digest in found if isinstance(digest, StripwatchError)]
    read = [
        (sample, digest)
        for sample, digest in zip(dataset.samples, found, strict=True)
        if not isinstance(digest, StripwatchError)
    ]
    if not read:
        raise DataError(f"{root}: not one image can be read; the first: {unreadable[0]}")
    samples = [sample for sample, _ in read]
    digests = [digest for _, digest in read]
    same, similar = _pairs(samples, digests)
    sizes = Counter(f"{digest.width_px}x{digest.height_px}" for digest in digests)
    return Survey(
        dataset, samples, dict(sizes.most_common()), same, similar, unreadable, [digest.depth for digest in digests]
    )


def _pairs(samples: list[Sample], digests: list[FrameDigest]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Pairs with the same pixels, and those that are only nearly the same."""
    same = group_links([digest.pixels_sha256 for digest in digests])
    found = find_near_duplicates([digest.thumbnail for digest in digests])
    similar = [(a, b) for a, b in found if digests[a].pixels_sha256 != digests[b].pixels_sha256]

    def names(pairs: list[tuple[int, int]]) -> list[tuple[str, str]]:
        return [(samples[a].name, samples[b].name) for a, b in pairs]

    return names(same), names(similar)
