"""Pictures that are nearly the same: brighter, resized or compressed again. They must not be torn apart by a split."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from stripwatch.worker.images.decode_spec import DecodeSpec, Pixels

_SIDE = 64
THUMBNAIL = DecodeSpec(_SIDE, _SIDE, colour="grey")
_LIGHT_SIGMA = 8.0  # of 64: what is wider is illumination, which all frames of one camera share

# On NEU and Severstal every pair of different photographs with a distance up to 16 of 64 bits stays under a correlation
# of 0.85; copies with gamma 0.5 to 1.5, JPEG quality 40 or half the size stay over 0.87, 99 % of them over 0.92.
HASH_DISTANCE_MAX = 16
CORRELATION_MIN = 0.9
_ROWS = 256


def find_near_duplicates(thumbnails: Sequence[Pixels]) -> list[tuple[int, int]]:
    """Pairs of positions, ascending. thumbnails: uint8 [64, 64, 1] each, as THUMBNAIL decodes them.

    A pair has 64-bit DCT hashes that are near (https://www.hackerfactor.com/blog/index.php?/archives/432-Looks-Like-It)
    and thumbnails that correlate once the illumination is taken out. The hash alone takes textures of one kind for
    the same, the correlation alone would need every pair.
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
    """Pairs with near hashes whose first member is one of _ROWS positions from `first` on."""
    distance = np.bitwise_count(hashes[first : first + _ROWS, None] ^ hashes[None, first:])
    left, right = np.nonzero(np.triu(distance <= HASH_DISTANCE_MAX, 1))
    return left + first, right + first


def _hash(thumbnail: Pixels) -> int:
    """The 64 lowest frequencies, each against their median."""
    grey = cv2.resize(thumbnail.astype(np.float32), (_SIDE // 2, _SIDE // 2), interpolation=cv2.INTER_AREA)
    low = cv2.dct(grey)[:8, :8].ravel()
    bits = low > np.median(low[1:])  # the first is the mean brightness
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _detail(thumbnail: Pixels) -> NDArray[np.float32]:
    """float32 [64 * 64] of length 1, so that a product is a correlation; all 0 for a picture without detail."""
    grey = thumbnail.reshape(_SIDE, _SIDE).astype(np.float32)
    detail = (grey - cv2.GaussianBlur(grey, (0, 0), _LIGHT_SIGMA)).ravel()
    detail -= detail.mean()
    return np.asarray(detail / max(float(np.linalg.norm(detail)), 1e-6), np.float32)
