"""How many bits the samples of a data set have: measured, reported, and checked against what training was told.

Files of 16 bits from a camera of 10, 12 or 14 bits come in two kinds: scaled to 16 bits, or as plain numbers in the low
bits. A file may declare which; where it does not, only the person who knows the camera can say.
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
# Of --levels auto. A thousandth of the samples at each end may be specks, dead pixels or glare.
LEVEL_SHARES = (0.001, 0.999)
LEVEL_FRAMES_MAX = 200


@dataclass(frozen=True, slots=True)
class SampleDepth:
    """The samples of one file.

    stored: bits of a sample in the file. declared: how many of 16 carry data, where the file says so. largest: the
    largest sample, as `largest_sample` says. zero_bits: how many of the lowest bits are zero in every sample.
    contradictory: the file declares a depth that its samples do not have.
    """

    stored: int
    declared: int | None = None
    largest: int = 0
    zero_bits: int = 0
    contradictory: bool = False

    @property
    def used(self) -> int:
        """Bits that the largest sample needs; 8 for a file of 8 bits."""
        return max(8, self.largest.bit_length())

    def is_doubtful(self, bit_depth: int | None) -> bool:
        """Whether the worker would flag a frame like this one. bit_depth: as in the decode spec."""
        return self.stored > 8 and (self.contradictory or is_doubtful(self.largest, self.declared, bit_depth))


EIGHT_BITS = SampleDepth(8)


def measure_depth(encoded: bytes) -> SampleDepth:
    """The depth of a file that `decode` accepts."""
    samples = deep_samples(encoded)
    if samples is None:
        return EIGHT_BITS
    together = int(np.bitwise_or.reduce(samples.values, axis=None))
    zero_bits = (together & -together).bit_length() - 1 if together else 0
    largest = largest_sample(samples.values, samples.bits)
    return SampleDepth(_STORED_BITS, samples.bits, largest, zero_bits, bool(samples.flags))


def deep_samples(encoded: bytes) -> Samples | None:
    """The samples of a file of more than 8 bits; None for one of 8 bits."""
    header = read_header(encoded)
    return decode_image_file(encoded, header, "grey") if header.bits > 8 else None


@dataclass(frozen=True, slots=True)
class DepthGroup:
    """Files of a set with the same stored and declared bits.

    used, zero_bits: over all of them. contradictory: how many do not have the bits they declare. first: some names.
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
        if self.stored == 8:
            return f"{self.images} of 8 bits"
        declared = f"{self.declared} bits declared" if self.declared else "no depth declared"
        lows = f", the lowest {self.zero_bits} zero" if self.zero_bits else ""
        return f"{self.images} of 16 bits ({declared}, {self.used} used{lows}), such as {self.first[0]}"


def group_depths(names: Sequence[str], depths: Sequence[SampleDepth]) -> list[DepthGroup]:
    """The depths of a set, the most frequent first."""
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
    """What to pass as --bit-depth; None where every file declares its depth or plainly uses all its bits."""
    undeclared = [depth for depth in depths if depth.stored > 8 and depth.declared is None]
    if not any(depth.is_doubtful(None) for depth in undeclared):
        return None
    used = max(depth.used for depth in undeclared)
    return next(bits for bits in _CAMERA_BITS if bits >= used)


def usual_bit_depth(depth: SampleDepth) -> int | None:
    """A depth at which a file that declares none can be looked at; None where that makes no difference."""
    return suggested_bit_depth([depth])


def check_depths(names: Sequence[str], depths: Sequence[SampleDepth], spec: DecodeSpec) -> None:
    """Raises DataError, with a file and what to do, where the worker would flag a frame of the set."""
    check_levels(names, depths, spec)
    bit_depth = spec.bit_depth
    doubtful = [(name, depth) for name, depth in zip(names, depths, strict=True) if depth.is_doubtful(bit_depth)]
    if not doubtful:
        return
    name, depth = doubtful[0]
    count = f"{len(doubtful)} of {len(names)} files, of which {name} is the first"
    if depth.declared == _STORED_BITS and not depth.contradictory:
        raise DataError(
            f"samples use only {depth.used} of the 16 bits that their file declares: {count}. Make the camera declare "
            "its depth, or, where these frames are as dark as that, pass --bit-depth 16"
        )
    if depth.contradictory or depth.declared is not None:
        raise DataError(f"samples do not have the {depth.declared} bits that their file declares: {count}")
    if bit_depth is not None:
        used = max(each.used for _, each in doubtful)
        raise DataError(f"samples need {used} bits, and the stated bit depth is {bit_depth}: {count}")
    suggested = suggested_bit_depth(depths)
    raise DataError(
        f"samples of 16 bits use only few of them ({depth.used} bits), and nothing declares their depth: {count}. "
        f"Pass --bit-depth N with the depth of the camera; the set looks like --bit-depth {suggested}"
    )


def check_levels(names: Sequence[str], depths: Sequence[SampleDepth], spec: DecodeSpec) -> None:
    """Raises DataError where files of 8 bits meet levels: the worker would flag such frames."""
    eight = [name for name, depth in zip(names, depths, strict=True) if depth.stored == 8]
    if spec.levels is not None and eight:
        raise DataError(
            f"--levels does not apply to files of 8 bits: {len(eight)} of {len(names)} files, of which {eight[0]} is "
            "the first. Leave the option out, or take these files out of the set"
        )


def depth_notes(names: Sequence[str], depths: Sequence[SampleDepth], spec: DecodeSpec) -> list[str]:
    """Sentences about a set whose files differ in depth, and about options without effect."""
    groups = group_depths(names, depths)
    notes = []
    if len({group.declared or (spec.bit_depth or 16 if group.stored > 8 else 8) for group in groups}) > 1:
        notes.append(f"note: the files differ in bit depth: {'; '.join(group.text for group in groups)}")
    if spec.bit_depth is not None and not any(_heeds_bit_depth(group, spec.bit_depth) for group in groups):
        notes.append(
            f"note: --bit-depth {spec.bit_depth} changes no file of this set: none has 16 bits without a declared depth"
        )
    return notes


def _heeds_bit_depth(group: DepthGroup, bit_depth: int) -> bool:
    """Files that declare all their 16 bits are believed only where --bit-depth says so, too."""
    return group.stored > 8 and (group.declared is None or group.declared == bit_depth == _STORED_BITS)


def parse_levels(text: str) -> Levels | None:
    """ "0.05,0.8" is black at 5 % and white at 80 % of the full scale; "full" and "auto" are None.

    Raises SettingsError.
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
    """Raises SettingsError for a number that no file of 16 bits can have."""
    if bit_depth is not None and not BIT_DEPTH_MIN <= bit_depth <= BIT_DEPTH_MAX:
        raise SettingsError(f"--bit-depth {bit_depth} is not from {BIT_DEPTH_MIN} to {BIT_DEPTH_MAX}")


def choose_levels(root: Path, names: Sequence[str], bit_depth: int | None) -> Levels:
    """Black and white for --levels auto: the 0.1 and 99.9 percentiles of up to 200 training frames, evenly spaced.

    names: of the training frames alone. Files of 8 bits say nothing. Raises DataError where all are of 8 bits.
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
        raise DataError("--levels auto needs files of more than 8 bits, and the training frames have none")
    shares = np.cumsum(counts) / counts.sum()
    black, white = (int(np.searchsorted(shares, share)) / (2**_STORED_BITS - 1) for share in LEVEL_SHARES)
    if not black < white:
        raise DataError(
            "--levels auto finds no difference between dark and bright: the training frames are of one grey"
        )
    return Levels(round(black, 6), round(white, 6))
