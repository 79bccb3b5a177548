import numpy as np
import pytest

from stripwatch.training.findings.grey_levels import outlier_scores


def test_scores_are_the_modified_z_score_of_iglewicz_and_hoaglin() -> None:
    values = np.exp(np.array([0.0, -1, 1, -2, 2, -3, 3, -4, 4, 40]))
    scores = outlier_scores(values, values)
    assert scores[:9].tolist() == [0] * 9
    assert scores[9] == pytest.approx(0.6745 * (40 - 0.5) / 2.5)


def test_a_value_that_differs_little_is_no_outlier() -> None:
    values = np.array([100.0] * 20 + [140.0])
    assert not outlier_scores(values, values).any()
    assert outlier_scores(np.array([160.0, 60.0]), values).tolist() == pytest.approx(
        [0.6745 * np.log(1.6) / 1e-9, 0.6745 * np.log(0.6) / 1e-9]
    )


def test_few_images_have_no_outliers() -> None:
    values = np.array([1.0, 1, 1, 100])
    assert not outlier_scores(values, values).any()
    assert not outlier_scores(np.array([np.nan]), np.full(20, np.nan)).any()
