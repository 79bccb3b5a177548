"""Groups of images that a split keeps together: identical or nearly identical pictures, and images of one coil."""

from collections.abc import Hashable, Sequence

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from stripwatch.training.datasets.samples import Sample
from stripwatch.training.preparation.digests import FrameDigest
from stripwatch.training.preparation.near_duplicates import find_near_duplicates


def group_frames(samples: Sequence[Sample], digests: Sequence[FrameDigest]) -> list[int]:
    """Return the group number of each frame, in order."""
    pairs = find_near_duplicates([digest.thumbnail for digest in digests])
    pairs += group_links([digest.pixels_sha256 for digest in digests])
    pairs += group_links([sample.coil for sample in samples])
    return connected_groups(len(samples), pairs)


def connected_groups(frames: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Return the group number of each frame: the connected components of the graph with these pairs as edges."""
    left, right = np.array(pairs, int).reshape(-1, 2).T
    edges = coo_matrix((np.ones(len(left)), (left, right)), shape=(frames, frames))
    return [int(number) for number in connected_components(edges, directed=False)[1]]


def group_links(keys: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Return pairs that link each frame to the previous frame with the same key. Keys of None are ignored."""
    last: dict[Hashable, int] = {}
    pairs = []
    for at, key in enumerate(keys):
        if key is not None:
            if key in last:
                pairs.append((last[key], at))
            last[key] = at
    return pairs
