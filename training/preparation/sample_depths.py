"""Bit depths of a data set: measured, reported, and checked against the options of a fit.

16-bit files from a camera of 10, 12 or 14 bits come in two kinds: scaled to 16 bits, or unscaled in the low bits. A
file may declare which. If it does not, the bit depth must be known from the camera.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stripwatch.export.runs.files import read_whole
from stripwatch.worker.common.errors import DataError, SettingsError
from stripwatch.worker.common.path_text import file_below
from stripwatch.worker.images.bit_depth import BIT_DEPTH_MAX, BIT_DEPTH_MIN, is_doubtful, largest_sample
from stripwatch.worker.images.decode_spec import DecodeSpec, Levels
from stripwatch.worker.images.headers.reader import read_header
from stripwatch.worker.images.opencv_decoder import decode_image_file
from stripwatch.worker.images.samples import Samples

_STORED_BITS = 16
_CAMERA_BITS = (10, 12, 14, 16)
# For --levels auto: 0.1 % of the samples at each end may be specks, dead pixels or glare.
LEVEL_SHARES = (0.001, 0.999)
LEVEL_FRAMES_MAX = 200


@dataclass(frozen=True, slots=True)
class SampleDepth:
    """Bit depth of the samples in one file.

    stored: bits per sample in the file. declared: number of significant bits that the file declares, or None. largest:
    largest sample, see `largest_sample`. zero_bits: number of lowest bits that are zero in every sample.
    contradictory: true if the samples do not have the declared depth.
    """

    stored: int
    declared: int | None = None
    largest: int = 0
    zero_bits: int = 0
    contradictory: bool = False

    @property
    def used(self) -> int:
        """Return the number of bits that the largest sample needs, at least 8."""
        return max(8, self.largest.bit_length())

    def is_doubtful(self, bit_depth: int | None) -> bool:
        """Return whether the worker would flag such a frame. bit_depth: as in the decode spec."""
        return self.stored > 8 and (self.contradictory or is_doubtful(self.largest, self.declared, bit_depth))


EIGHT_BITS = SampleDepth(8)


def measure_depth(encoded: bytes) -> SampleDepth:
    """Measure the bit depth of a file that `decode` accepts."""
    samples = deep_samples(encoded)
    if samples is None:
        return EIGHT_BITS
    together = int(np.bitwise_or.reduce(samples.values, axis=None))
    zero_bits = (together & -together).bit_length() - 1 if together else 0
    largest = largest_sample(samples.values, samples.bits)
    return SampleDepth(_STORED_BITS, samples.bits, largest, zero_bits, bool(samples.flags))


def deep_samples(encoded: bytes) -> Samples | None:
    """Return the samples of a file with more than 8 bits, or None for an 8-bit file."""
    header = read_header(encoded)
    return decode_image_file(encoded, header, "grey") if header.bits > 8 else None


@dataclass(frozen=True, slots=True)
class DepthGroup:
    """The files of a data set that have the same stored and declared bits.

    used, zero_bits: over all of these files. contradictory: number of files without the declared depth. first: names of
    the first three.
    """

    stored: int
    declared: int | None
    used: int
    zero_bits: int
    images: int
    contradictory: int
    first: list[str]

    @property
    def text(self) -> str:
        """Return a description for messages."""
        if self.stored == 8:
            return f"{self.images} with 8 bits"
        declared = f"{self.declared} bits declared" if self.declared else "no depth declared"
        low_bits = f", lowest {self.zero_bits} always zero" if self.zero_bits else ""
        return f"{self.images} with 16 bits ({declared}, {self.used} used{low_bits}), such as {self.first[0]}"


def group_depths(names: Sequence[str], depths: Sequence[SampleDepth]) -> list[DepthGroup]:
    """Group the depths of a data set, the most frequent first."""
    members: dict[tuple[int, int | None], list[tuple[str, SampleDepth]]] = defaultdict(list)
    for name, depth in zip(names, depths, strict=True):
        members[depth.stored, depth.declared].append((name, depth))
    groups = [
        DepthGroup(
            stored,
            declared,
            max(depth.used for _, depth in found),
            min(depth.zero_bits for _, depth in found),
            len(found),
            sum(depth.contradictory for _, depth in found),
            [name for name, _ in found[:3]],
        )
        for (stored, declared), found in members.items()
    ]
    return sorted(groups, key=lambda group: -group.images)


def suggested_bit_depth(depths: Iterable[SampleDepth]) -> int | None:
    """Return the suggested --bit-depth, or None if every file declares its depth or clearly uses all its bits."""
    undeclared = [depth for depth in depths if depth.stored > 8 and depth.declared is None]
    if not any(depth.is_doubtful(None) for depth in undeclared):
        return None
    used = max(depth.used for depth in undeclared)
    return next(bits for bits in _CAMERA_BITS if bits >= used)


def usual_bit_depth(depth: SampleDepth) -> int | None:
    """Return a bit depth for displaying a file that declares none, or None if it makes no difference."""
    return suggested_bit_depth([depth])


def check_depths(names: Sequence[str], depths: Sequence[SampleDepth], spec: DecodeSpec) -> None:
    """Raise DataError, with a file and a remedy, if the worker would flag a frame of the data set."""
    check_levels(names, depths, spec)
    bit_depth = spec.bit_depth
    doubtful = [(name, depth) for name, depth in zip(names, depths, strict=True) if depth.is_doubtful(bit_depth)]
    if not doubtful:
        return
    name, depth = doubtful[0]
    count = f"{len(doubtful)} of {len(names)} files, the first is {name}"
    if depth.declared == _STORED_BITS and not depth.contradictory:
        raise DataError(
            f"samples use only {depth.used} of the 16 bits that their file declares: {count}. Make the camera declare "
            "its true depth, or pass --bit-depth 16 if the frames really are that dark"
        )
    if depth.contradictory or depth.declared is not None:
        raise DataError(
            f"samples do not have the {depth.declared} bits that their file declares: {count}. Correct the files or "
            "remove them"
        )
    if bit_depth is not None:
        used = max(each.used for _, each in doubtful)
        raise DataError(f"samples need {used} bits, but --bit-depth is {bit_depth}: {count}")
    suggested = suggested_bit_depth(depths)
    raise DataError(
        f"16-bit samples use only {depth.used} bits, and their files do not declare a depth: {count}. "
        f"Pass the bit depth of the camera, probably --bit-depth {suggested}"
    )


def check_levels(names: Sequence[str], depths: Sequence[SampleDepth], spec: DecodeSpec) -> None:
    """Raise DataError if levels are set and the data set has 8-bit files, because the worker would flag such frames."""
    eight = [name for name, depth in zip(names, depths, strict=True) if depth.stored == 8]
    if spec.levels is not None and eight:
        raise DataError(
            f"--levels does not apply to 8-bit files: {len(eight)} of {len(names)} files, the first is {eight[0]}. "
            "Omit the option, or remove these files from the data set"
        )


def depth_notes(names: Sequence[str], depths: Sequence[SampleDepth], spec: DecodeSpec) -> list[str]:
    """Return notes about files that differ in bit depth, and about options without effect."""
    groups = group_depths(names, depths)
    notes = []
    if len({group.declared or (spec.bit_depth or 16 if group.stored > 8 else 8) for group in groups}) > 1:
        notes.append(f"note: the files differ in bit depth: {'; '.join(group.text for group in groups)}")
    if spec.bit_depth is not None and not any(_uses_bit_depth(group, spec.bit_depth) for group in groups):
        notes.append(f"note: --bit-depth {spec.bit_depth} has no effect: no file has 16 bits without a declared depth")
    return notes


def _uses_bit_depth(group: DepthGroup, bit_depth: int) -> bool:
    """Return whether --bit-depth affects a group; 16 declared bits are trusted only if --bit-depth is 16 as well."""
    return group.stored > 8 and (group.declared is None or group.declared == bit_depth == _STORED_BITS)


def parse_levels(text: str) -> Levels | None:
    """Parse "0.05,0.8" to black at 5 % and white at 80 % of the full scale, and "full" and "auto" to None.

    Raises SettingsError for anything else.
    """
    if text in ("full", "auto"):
        return None
    try:
        black, white = map(float, text.split(","))
    except ValueError:
        black = white = -1.0
    if not 0 <= black < white <= 1:
        raise SettingsError(f"--levels {text!r} is not full, auto, or BLACK,WHITE with 0 <= BLACK < WHITE <= 1")
    return Levels(black, white)


def check_bit_depth(bit_depth: int | None) -> None:
    """Raise SettingsError for a bit depth that is impossible in a 16-bit file."""
    if bit_depth is not None and not BIT_DEPTH_MIN <= bit_depth <= BIT_DEPTH_MAX:
        raise SettingsError(f"--bit-depth {bit_depth} must be from {BIT_DEPTH_MIN} to {BIT_DEPTH_MAX}")


def choose_levels(root: Path, names: Sequence[str], bit_depth: int | None) -> Levels:
    """Choose the levels for --levels auto: the 0.1 and 99.9 percentiles of up to 200 evenly spaced training frames.

    names: of the training frames only. 8-bit files are ignored. Raises DataError if all files have 8 bits or the frames
    have no contrast.
    """
    counts = np.zeros(2**_STORED_BITS, np.int64)
    ordered = sorted(names)
    picked = np.unique(np.linspace(0, len(ordered) - 1, min(len(ordered), LEVEL_FRAMES_MAX)).round().astype(int))
    for at in picked.tolist():
        samples = deep_samples(read_whole(file_below(root, ordered[at])))
        if samples is not None:
            bits = samples.bits or bit_depth or _STORED_BITS
            values = np.minimum(samples.values, 2**bits - 1).ravel()
            scaled = values.astype(np.int64) * (2**_STORED_BITS - 1) // (2**bits - 1)
            counts += np.bincount(scaled, minlength=2**_STORED_BITS)
    if not counts.any():
        raise DataError("--levels auto needs files with more than 8 bits, but all training frames have 8; use full")
    shares = np.cumsum(counts) / counts.sum()
    black, white = (int(np.searchsorted(shares, share)) / (2**_STORED_BITS - 1) for share in LEVEL_SHARES)
    if not black < white:
        raise DataError(
            "--levels auto found no contrast: all training frames have the same brightness; pass --levels BLACK,WHITE"
        )
    return Levels(round(black, 6), round(white, 6))
