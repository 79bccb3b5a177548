"""Digests of the files of a data set, computed in one pass that also checks that every file can be decoded."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from stripwatch.export.runs.files import read_whole
from stripwatch.training.datasets.dataset import DataSet
from stripwatch.training.datasets.formats.problems import Problems
from stripwatch.training.preparation.frame_facts import FrameFacts, measure_facts
from stripwatch.training.preparation.near_duplicates import THUMBNAIL
from stripwatch.training.preparation.sample_depths import EIGHT_BITS, SampleDepth, measure_depth, usual_bit_depth
from stripwatch.worker.common.errors import DataError, FrameRejected, InputError, RejectReason, StripwatchError
from stripwatch.worker.common.path_text import file_below, path_text
from stripwatch.worker.common.process.cores import usable_cores
from stripwatch.worker.images.colour import measure_colour
from stripwatch.worker.images.decode import decode, resize
from stripwatch.worker.images.decode_spec import DecodeSpec, Pixels
from stripwatch.worker.images.headers.reader import read_header

UNUSABLE = "cannot be used for training"
SAVE_AS_PNG = "; save it as an RGB or grey PNG file"


@dataclass(frozen=True, slots=True)
class FrameDigest:
    """Digest of one image file.

    file_sha256, pixels_sha256: of the file and of its decoded pixels; different files may hold the same picture.
    width_px, height_px: size of the image in the file. thumbnail: uint8 [64, 64, 1]. depth: bit depth of its samples.
    facts: what checks of a data set compare; None if it was not measured.
    """

    file_sha256: str
    pixels_sha256: str
    width_px: int
    height_px: int
    thumbnail: Pixels = field(compare=False, repr=False)
    depth: SampleDepth = EIGHT_BITS
    facts: FrameFacts | None = None


def digest_frames(dataset: DataSet, spec: DecodeSpec, on_frame: Callable[[], None]) -> list[FrameDigest]:
    """Return one digest per sample, in order. on_frame: called after each file.

    Raises DataError or InputError, with the names, for files that the worker would reject or that cannot be read.
    """
    results = list(try_digests(dataset, spec, on_frame))
    errors = [result for result in results if isinstance(result, StripwatchError)]
    if len(errors) == 1:
        raise errors[0]
    Problems(path_text(dataset.root), list(map(str, errors))).check()
    return [result for result in results if not isinstance(result, StripwatchError)]


def try_digests(
    dataset: DataSet, spec: DecodeSpec, on_frame: Callable[[], None]
) -> Iterator[FrameDigest | StripwatchError]:
    """Yield one digest per sample, in order, or the error of a file that is rejected or cannot be read."""

    def digest(name: str) -> FrameDigest | StripwatchError:
        try:
            return _digest_file(file_below(dataset.root, name), spec)
        except (DataError, InputError) as error:
            return error

    with ThreadPoolExecutor(usable_cores()) as pool:
        for result in pool.map(digest, [sample.name for sample in dataset.samples]):
            on_frame()
            yield result


def data_sha256(frames: Iterable[tuple[str, str, str]]) -> str:
    """Return the SHA-256 of a data set: over name, label and file digest of each frame, sorted by name."""
    digest = hashlib.sha256()
    for frame in sorted(frames):
        digest.update("\0".join(frame).encode() + b"\n")
    return digest.hexdigest()


def _remedy(error: FrameRejected) -> str:
    """Return what to do with an image of a kind that training and the worker do not read, or an empty text."""
    other_kind = error.reason is RejectReason.UNSUPPORTED_COLOUR or (
        error.reason is RejectReason.UNSUPPORTED_FORMAT and "a TIFF file" in error.detail
    )
    return SAVE_AS_PNG if other_kind else ""


def _digest_file(path: Path, spec: DecodeSpec) -> FrameDigest:
    encoded = read_whole(path)
    try:
        image, depth = decode(encoded, spec), measure_depth(encoded)
        bit_depth = spec.bit_depth or usual_bit_depth(depth)
        mapping = {"bit_depth": bit_depth, "levels": spec.levels}
        if bit_depth != spec.bit_depth:
            image = decode(encoded, msgspec.structs.replace(spec, **mapping))
        own_size = msgspec.structs.replace(THUMBNAIL, height_px=image.height_px, width_px=image.width_px, **mapping)
        grey = decode(encoded, own_size).pixels
        colour = measure_colour(encoded, None, bit_depth, spec.levels) if spec.colour == "rgb" else None
    except FrameRejected as error:
        raise DataError(f"{path_text(path)} {UNUSABLE}: {error}{_remedy(error)}") from error
    return FrameDigest(
        hashlib.sha256(encoded).hexdigest(),
        hashlib.sha256(image.pixels.tobytes()).hexdigest(),
        image.width_px,
        image.height_px,
        resize(grey, THUMBNAIL).reshape(THUMBNAIL.shape),
        depth,
        measure_facts(encoded, read_header(encoded), grey[..., 0], colour),
    )
