from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from stripwatch.training.preparation.input_pipeline import read_batches, shuffled_batches
from stripwatch.training.preparation.prepared_data import Subset
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec

pytestmark = pytest.mark.training

SPEC = DecodeSpec(48, 64)
LABELS = list("abcdefghi")


def collect(batches: tf.data.Dataset) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    frames, targets = zip(*batches.as_numpy_iterator(), strict=True)
    return np.concatenate(frames), np.concatenate(targets)


def test_batches_match_the_worker_decode_in_order(textures: Path) -> None:
    files = sorted(textures.iterdir())[:7]
    targets = np.eye(7, dtype=np.float32)
    frames, rows = collect(read_batches(Subset(files, targets, LABELS), SPEC, 3))
    expected = np.stack([decode(file.read_bytes(), SPEC).pixels for file in files])
    np.testing.assert_array_equal(frames, expected)
    np.testing.assert_array_equal(rows, targets)


def test_shuffling_keeps_targets_and_changes_the_order_each_epoch(textures: Path) -> None:
    files = sorted(textures.iterdir())[:9]
    batches = shuffled_batches(Subset(files, np.eye(9, dtype=np.float32), LABELS), SPEC, 4, seed=1, augment=False)
    orders = []
    for _ in range(2):
        frames, targets = collect(batches)
        orders.append(targets.argmax(axis=1).tolist())
        for frame, at in zip(frames, orders[-1], strict=True):
            np.testing.assert_array_equal(frame, decode(files[at].read_bytes(), SPEC).pixels)
        assert sorted(orders[-1]) == list(range(9))
    assert orders[0] != orders[1]
