"""Survey of a data set: class balance, image sizes, duplicates and unreadable files."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from stripwatch.training.annotations.reading import AnnotationSet, has_annotations, read_annotations
from stripwatch.training.datasets.alike_labels import alike_notes
from stripwatch.training.datasets.dataset import AUTO, CLEAN, DataSet, read_dataset
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
from stripwatch.worker.common.errors import DataError, StripwatchError
from stripwatch.worker.common.terminal.console import new_progress, say
from stripwatch.worker.contracts.model.clean_labels import likely_clean
from stripwatch.worker.images.decode_spec import DecodeSpec

_COMPARED_SIZE = DecodeSpec(256, 256)  # duplicates are compared at this size


@dataclass(frozen=True, slots=True)
class Survey:
    """Result of a survey.

    samples: readable images. sizes: number of images by "WIDTHxHEIGHT". same, similar: pairs of file names with
    identical and nearly identical pixels. unreadable: one error message per unreadable file. depths: bit depth of each
    file, in the order of samples. annotations: None if none were given.
    """

    dataset: DataSet
    samples: list[Sample]
    sizes: dict[str, int]
    same: list[tuple[str, str]]
    similar: list[tuple[str, str]]
    unreadable: list[str]
    depths: list[SampleDepth]
    annotations: AnnotationSet | None = None

    @property
    def depth_groups(self) -> list[DepthGroup]:
        """Return the bit depths of the data set, grouped."""
        return group_depths([sample.name for sample in self.samples], self.depths)

    @property
    def bit_depth(self) -> int | None:
        """Return the --bit-depth that fit needs, or None if it needs none."""
        return suggested_bit_depth(self.depths)

    @property
    def bits_used(self) -> int:
        """Return the bits used by 16-bit files that do not declare a depth; 0 if there are none."""
        return max((group.used for group in self.depth_groups if group.stored > 8 and not group.declared), default=0)

    @property
    def balance(self) -> dict[str, int]:
        """Return the number of images per label.

        Images without a label count as "clean"; images with two labels count twice.
        """
        counts = Counter(label for sample in self.samples for label in sample.labels or (CLEAN,))
        return dict(sorted(counts.items()))

    @property
    def warnings(self) -> list[str]:
        """Return what a person should know before training: labels that look alike, and no images of clean strip."""
        if likely_clean(self.balance):
            return alike_notes(self.dataset.alike, self.dataset.merged)
        return [
            *alike_notes(self.dataset.alike, self.dataset.merged),
            "warning: no class seems to be clean strip, so a model trained on this data set calls every clean strip a "
            f"defect or unsure; add images of clean strip with the label {CLEAN!r}, or pass --clean-label if one of "
            f"the classes is clean: {', '.join(self.balance)}",
        ]

    @property
    def disputed(self) -> list[tuple[str, str]]:
        """Return the pairs of duplicates whose labels differ."""
        labels = {sample.name: sample.labels for sample in self.samples}
        return [(a, b) for a, b in self.same + self.similar if labels[a] != labels[b]]


def survey(
    root: Path, layout: str, merge_labels: bool = False, boxes: Path | None = None, boxes_format: str = AUTO
) -> Survey:
    """Read every image of a data set once and report on it.

    Unreadable files are part of the result. Raises what read_dataset and read_annotations raise, and DataError if no
    image is readable.
    """
    dataset = read_dataset(root, layout, merge_labels=merge_labels)
    has_own = boxes is not None or has_annotations(dataset)
    annotations = read_annotations(dataset, boxes, boxes_format) if has_own else None
    for note in (*dataset.notes, *(annotations.notes if annotations else ())):
        say(note)
    with new_progress() as progress:
        task = progress.add_task("reading", total=len(dataset.samples))
        found = list(try_digests(dataset, _COMPARED_SIZE, lambda: progress.advance(task)))
    unreadable = [str(digest) for digest in found if isinstance(digest, StripwatchError)]
    read = [
        (sample, digest)
        for sample, digest in zip(dataset.samples, found, strict=True)
        if not isinstance(digest, StripwatchError)
    ]
    if not read:
        raise DataError(f"{root}: none of the {len(found)} images can be read; the first error is: {unreadable[0]}")
    samples = [sample for sample, _ in read]
    digests = [digest for _, digest in read]
    same, similar = _pairs(samples, digests)
    sizes = Counter(f"{digest.width_px}x{digest.height_px}" for digest in digests)
    depths = [digest.depth for digest in digests]
    return Survey(dataset, samples, dict(sizes.most_common()), same, similar, unreadable, depths, annotations)


def _pairs(samples: list[Sample], digests: list[FrameDigest]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the pairs with identical pixels and the pairs that are only nearly identical."""
    same = group_links([digest.pixels_sha256 for digest in digests])
    found = find_near_duplicates([digest.thumbnail for digest in digests])
    similar = [(a, b) for a, b in found if digests[a].pixels_sha256 != digests[b].pixels_sha256]

    def names(pairs: list[tuple[int, int]]) -> list[tuple[str, str]]:
        return [(samples[a].name, samples[b].name) for a, b in pairs]

    return names(same), names(similar)
