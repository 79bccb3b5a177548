import numpy as np
import pytest

from stripwatch.training.frontier.measure.heads import FoldHeads, find_right
from stripwatch.training.preparation.stratified_split import SplitParts

pytestmark = pytest.mark.training

FRAMES = 120


def test_a_map_of_large_values_does_not_hide_one_of_small_values() -> None:
    random = np.random.default_rng(1)
    targets = np.eye(2, dtype=np.float32)[np.arange(FRAMES) % 2]
    telling = 0.001 * (targets[:, :1] + random.normal(0, 0.1, (FRAMES, 4)))
    noise = 1000 * random.normal(size=(FRAMES, 4))
    features = np.concatenate([noise, telling], axis=1).astype(np.float32)
    rows = np.arange(FRAMES)
    folds = [SplitParts(rows[rows % 3 != fold].tolist(), rows[rows % 3 == fold].tolist()) for fold in range(3)]

    heads = FoldHeads.fit(features, [4, 4], targets, folds, "multiclass", seed=0)
    assert find_right(heads.scores(features, 2), targets, "multiclass").mean() > 0.95
    as_one_map = FoldHeads.fit(features, [8], targets, folds, "multiclass", seed=0)
    assert find_right(as_one_map.scores(features, 2), targets, "multiclass").mean() < 0.8
