"""Which images belong together: the same picture, nearly the same, or the same coil. A split never parts them."""

from collections.abc import Hashable, Sequence

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from stripwatch.training.datasets.samples import Sample
from stripwatch.training.preparation.digests import FrameDigest
from stripwatch.training.preparation.near_duplicates import find_similar


def group_frames(samples: Sequence[Sample], digests: Sequence[FrameDigest]) -> list[int]:
    """The number of each frame's group, in their order."""
    pairs = find_similar([digest.thumbnail for digest in digests])
    pairs += chain([digest.pixels_sha256 for digest in digests])
    pairs += chain([sample.coil for sample in samples])
    return join(len(samples), pairs)


def join(frames: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Numbers of the groups that pairs of positions make: what is joined to the same is joined."""
    left, right = np.array(pairs, int).reshape(-1, 2).T
    edges = coo_matrix((np.ones(len(left)), (left, right)), shape=(frames, frames))
    return [int(number) for number in connected_components(edges, directed=False)[1]]


def chain(keys: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Each frame with the one before it that has the same key; None is no key."""
    last: dict[Hashable, int] = {}
    pairs = []
    for at, key in enumerate(keys):
        if key is not None:
            if key in last:
                pairs.append((last[key], at))
            last[key] = at
    return pairs
