"""Which images belong together: the same picture, nearly the same, or the same coil. A split never parts them."""

from collections.abc import Hashable, Sequence

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from stripwatch.training.datasets.samples import Sample
from stripwatch.training.preparation.digests import FrameDigest
from stripwatch.training.preparation.near_duplicates import find_near_duplicates


def group_frames(samples: Sequence[Sample], digests: Sequence[FrameDigest]) -> list[int]:
    """The number of each frame's group, in their order."""
    pairs = find_near_duplicates([digest.thumbnail for digest in digests])
    pairs += group_links([digest.pixels_sha256 for digest in digests])
    pairs += group_links([sample.coil for sample in samples])
    return connected_groups(len(samples), pairs)


def connected_groups(frames: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Numbers of the groups that pairs of positions make: what is joined to the same is joined."""
    left, right = np.array(pairs, int).reshape(-1, 2).T
    edges = coo_matrix((np.ones(len(left)), (left, right)), shape=(frames, frames))
    return [int(number) for number in connected_components(edges, directed=False)[1]]


def group_links(keys: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Each frame with the one before it that has the same key; None is no key."""
    last: dict[Hashable, int] = {}
    pairs = []
    for at, key in enumerate(keys):
        if key is not None:
            if key in last:
                pairs.append((last[key], at))
            last[key] = at
    return pairs
