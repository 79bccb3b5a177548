"""The frames of a data set after one pass over the files: digests, duplicates, groups, and what cannot be read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from stripwatch.export.runs.run_folder import Split
from stripwatch.training.datasets.dataset import DataSet
from stripwatch.training.datasets.samples import Sample
from stripwatch.training.preparation.digests import FrameDigest, try_digests
from stripwatch.training.preparation.groups import connected_groups, group_links
from stripwatch.training.preparation.near_duplicates import find_near_duplicates
from stripwatch.worker.common.errors import StripwatchError
from stripwatch.worker.images.decode_spec import DecodeSpec


@dataclass(frozen=True, slots=True)
class FrameSet:
    """The frames of a data set.

    samples, digests: of the files that can be used, [n]. errors: one for each other file. same, similar: pairs of
    positions of frames with identical and nearly identical pixels; of several identical frames, each is paired with the
    previous one. groups: number of the group of each frame that a split keeps together, [n].
    """

    dataset: DataSet
    samples: list[Sample]
    digests: list[FrameDigest]
    errors: list[StripwatchError]
    same: list[tuple[int, int]]
    similar: list[tuple[int, int]]
    groups: list[int]


class DataCheck(Protocol):
    """Check of the data of a fit. It reports what a person should know, and raises DataError for what must not be."""

    def check_frames(self, frames: FrameSet) -> None:
        """Check all frames before they are split."""

    def check_split(self, frames: FrameSet, split: Split) -> None:
        """Check the training and the validation part."""


def read_frame_set(dataset: DataSet, spec: DecodeSpec, on_frame: Callable[[], None]) -> FrameSet:
    """Read and decode every file once. on_frame: called after each file."""
    samples: list[Sample] = []
    digests: list[FrameDigest] = []
    errors: list[StripwatchError] = []
    for sample, result in zip(dataset.samples, try_digests(dataset, spec, on_frame), strict=True):
        if isinstance(result, StripwatchError):
            errors.append(result)
        else:
            samples.append(sample)
            digests.append(result)
    same = group_links([digest.pixels_sha256 for digest in digests])
    near = find_near_duplicates([digest.thumbnail for digest in digests]) if digests else []
    similar = [(a, b) for a, b in near if digests[a].pixels_sha256 != digests[b].pixels_sha256]
    coils = group_links([sample.coil for sample in samples])
    return FrameSet(
        dataset, samples, digests, errors, same, similar, connected_groups(len(samples), [*same, *near, *coils])
    )
