"""Every file of a data set read once: can it be decoded, which are identical, and what is the whole set's digest."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from stripwatch.export.runs.files import read_whole
from stripwatch.training.datasets.dataset import DataSet
from stripwatch.training.datasets.samples import Sample
from stripwatch.training.preparation.near_duplicates import THUMBNAIL
from stripwatch.training.preparation.sample_depths import EIGHT_BITS, SampleDepth, measure_depth, usual_bit_depth
from stripwatch.worker.common.errors import DataError, FrameRejected, InputError, StripwatchError
from stripwatch.worker.common.path_text import file_below, path_text
from stripwatch.worker.common.process.cores import usable_cores
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec, Pixels


@dataclass(frozen=True, slots=True)
class FrameDigest:
    """sha256 of the file and of the pixels it decodes to: a file may differ where its picture does not.

    thumbnail: uint8 [64, 64, 1]. The sizes are those of the file. depth: of its samples.
    """

    file_sha256: str
    pixels_sha256: str
    width_px: int
    height_px: int
    thumbnail: Pixels = field(compare=False, repr=False)
    depth: SampleDepth = EIGHT_BITS


def digest_frames(dataset: DataSet, spec: DecodeSpec, on_frame: Callable[[], None]) -> list[FrameDigest]:
    """One digest a sample, in their order; on_frame is called after each.

    Raises DataError or InputError, with the name, for the first file that the worker would reject or nobody can read.
    """
    digests = []
    for found in try_digests(dataset, spec, on_frame):
        if isinstance(found, StripwatchError):
            raise found
        digests.append(found)
    return digests


def try_digests(
    dataset: DataSet, spec: DecodeSpec, on_frame: Callable[[], None]
) -> Iterator[FrameDigest | StripwatchError]:
    """The same, with the error in the place of such a file."""

    def digest(name: str) -> FrameDigest | StripwatchError:
        try:
            return _digest_file(file_below(dataset.root, name), spec)
        except (DataError, InputError) as error:
            return error

    with ThreadPoolExecutor(usable_cores()) as pool:
        for found in pool.map(digest, [sample.name for sample in dataset.samples]):
            on_frame()
            yield found


def check_contradictions(samples: Sequence[Sample], digests: Sequence[FrameDigest]) -> None:
    """Raises DataError where one picture has two sets of labels."""
    first: dict[str, Sample] = {}
    for sample, digest in zip(samples, digests, strict=True):
        same = first.setdefault(digest.pixels_sha256, sample)
        if same.labels != sample.labels:
            raise DataError(f"{same.name} and {sample.name} are the same picture under two labels: keep one of them")


def data_sha256(frames: Iterable[tuple[str, str, str]]) -> str:
    """The digest of a whole set: over name, label and file digest of each frame, sorted by name."""
    digest = hashlib.sha256()
    for frame in sorted(frames):
        digest.update("\0".join(frame).encode() + b"\n")
    return digest.hexdigest()


def _digest_file(path: Path, spec: DecodeSpec) -> FrameDigest:
    encoded = read_whole(path)
    try:
        image, depth = decode(encoded, spec), measure_depth(encoded)
        mapping = {"bit_depth": spec.bit_depth or usual_bit_depth(depth), "levels": spec.levels}
        if mapping["bit_depth"] != spec.bit_depth:
            image = decode(encoded, msgspec.structs.replace(spec, **mapping))
        thumbnail = decode(encoded, msgspec.structs.replace(THUMBNAIL, **mapping))
    except FrameRejected as error:
        raise DataError(f"{path_text(path)} cannot be learned from: {error}") from error
    return FrameDigest(
        hashlib.sha256(encoded).hexdigest(),
        hashlib.sha256(image.pixels.tobytes()).hexdigest(),
        image.width_px,
        image.height_px,
        thumbnail.pixels,
        depth,
    )
