"""The reference counts novel validation frames as the worker counts them."""

import numpy as np
import pytest

from stripwatch.export.convert.drift_reference import decide_all, sum_up
from tests.tiny import watchful_contract

pytestmark = pytest.mark.training

SCORES = np.array([[0.9, 0.1, 0.0], [0.1, 0.9, 0.0], [0.1, 0.9, 0.0], [0.2, 0.8, 0.0]], np.float32)
NOVELTY = np.array([0.1, 0.1, 0.9, 0.2], np.float32)  # the threshold is 0.3


def test_a_novel_validation_frame_is_unsure_and_keeps_its_label() -> None:
    manifest = watchful_contract()
    plain, watched = decide_all(manifest, SCORES), decide_all(manifest, SCORES, NOVELTY)
    assert [each.verdict for each in plain] == ["defect", "clean", "clean", "clean"]
    assert [each.verdict for each in watched] == ["defect", "clean", "unsure", "clean"]
    assert [(each.label, each.scores) for each in watched] == [(each.label, each.scores) for each in plain]
    found = sum_up(watched)
    assert found["grey"].share == 0.75
    assert found["grey"].unsure == pytest.approx(1 / 3)
    assert found["dark"].unsure == 0
