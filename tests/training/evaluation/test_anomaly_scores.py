import numpy as np
import pytest

from stripwatch.export.results.run_evaluation import KindFigures
from stripwatch.training.evaluation.anomaly_scores import measure_anomalies
from stripwatch.training.evaluation.scores import Matrix

pytestmark = pytest.mark.training


def both(anomalies: list[float]) -> Matrix:
    """Return the values of an anomaly and of clean, [n, 2]."""
    return np.array([(each, 1 - each) for each in anomalies], np.float32)


SCORES = both([0.1, 0.4, 0.9, 0.3, 0.8])
TARGETS = both([0, 0, 1, 1, 1])


def test_each_kind_of_defect_is_compared_with_all_clean_frames() -> None:
    found = measure_anomalies(TARGETS, SCORES, [(), (), ("pits",), ("pits", "scratch"), ("scratch",)])
    assert found.kinds == {"pits": KindFigures(2, 0.75, 0.5), "scratch": KindFigures(2, 0.75, 0.5)}
    assert found.found == pytest.approx(2 / 3)
    assert found.auroc == pytest.approx(5 / 6)


def test_kinds_have_no_auroc_without_clean_frames() -> None:
    found = measure_anomalies(TARGETS[2:], SCORES[2:], [("pits",), ("pits",), ("scratch",)])
    assert found.kinds == {"pits": KindFigures(2, None, 0.5), "scratch": KindFigures(1, None, 1.0)}


def test_there_are_no_figures_by_kind_if_no_defect_has_a_name() -> None:
    assert measure_anomalies(TARGETS, SCORES).kinds is None
