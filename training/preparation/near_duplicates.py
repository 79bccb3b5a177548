"""Detection of near duplicates: brighter, resized or recompressed copies, which a split must keep together."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.images.decode_spec import DecodeSpec, Pixels

_SIDE = 64
THUMBNAIL = DecodeSpec(_SIDE, _SIDE, colour="grey")
_LIGHT_SIGMA = 8.0  # of 64 pixels; wider structures are illumination, which all frames of a camera share

# Chosen on NEU and Severstal: of the pairs with similar hashes, different photographs correlate by less than
# CORRELATION_MIN, and nearly all copies with gamma 0.5 to 1.5, JPEG quality 40 or half the size by more.
HASH_DISTANCE_MAX = 16
CORRELATION_MIN = 0.9
_ROWS = 256


def find_near_duplicates(thumbnails: Sequence[Pixels]) -> list[tuple[int, int]]:
    """Return the pairs of positions of near duplicates, ascending. thumbnails: uint8 [64, 64, 1], decoded by THUMBNAIL.

    A pair must have similar 64-bit DCT hashes (https://www.hackerfactor.com/blog/index.php?/archives/432-Looks-Like-It)
    and thumbnails that correlate after the illumination is removed. The hash alone matches different textures of one
    kind; the correlation alone would have to be computed for every pair.
    """
    hashes = np.array([_hash(thumbnail) for thumbnail in thumbnails], np.uint64)
    details = np.stack([_detail(thumbnail) for thumbnail in thumbnails])
    pairs: list[tuple[int, int]] = []
    for first in range(0, len(hashes), _ROWS):
        left, right = _near(hashes, first)
        for at in range(0, len(left), _ROWS):
            a, b = left[at : at + _ROWS], right[at : at + _ROWS]
            same = np.einsum("ij,ij->i", details[a], details[b]) >= CORRELATION_MIN
            pairs += zip(a[same].tolist(), b[same].tolist(), strict=True)
    return pairs


def _near(hashes: NDArray[np.uint64], first: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the pairs with similar hashes whose first member is one of the _ROWS positions starting at `first`."""
    distance = np.bitwise_count(hashes[first : first + _ROWS, None] ^ hashes[None, first:])
    left, right = np.nonzero(np.triu(distance <= HASH_DISTANCE_MAX, 1))
    return left + first, right + first


def _hash(thumbnail: Pixels) -> int:
    """Return a 64-bit hash: one bit for each of the 64 lowest DCT frequencies, set if it exceeds their median."""
    grey = cv2.resize(thumbnail.astype(np.float32), (_SIDE // 2, _SIDE // 2), interpolation=cv2.INTER_AREA)
    low = cv2.dct(grey)[:8, :8].ravel()
    bits = low > np.median(low[1:])  # the first coefficient is the mean brightness
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _detail(thumbnail: Pixels) -> NDArray[np.float32]:
    """Return the picture without illumination as a unit vector, float32 [64 * 64]; zeros for a uniform picture.

    The dot product of two such vectors is their correlation.
    """
    grey = thumbnail.reshape(_SIDE, _SIDE).astype(np.float32)
    detail = (grey - cv2.GaussianBlur(grey, (0, 0), _LIGHT_SIGMA)).ravel()
    detail -= detail.mean()
    return np.asarray(detail / max(float(np.linalg.norm(detail)), 1e-6), np.float32)
