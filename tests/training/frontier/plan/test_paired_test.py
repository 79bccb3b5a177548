import numpy as np
import pytest

from stripwatch.training.frontier.plan.paired_test import mcnemar_p


def test_frames_on_which_both_agree_do_not_count() -> None:
    right = np.array([True, False] * 50)
    assert mcnemar_p(right, right) == 1.0


def test_the_p_value_is_that_of_a_fair_coin() -> None:
    first, second = np.ones(100, bool), np.ones(100, bool)
    second[:6] = False  # six frames that only the first one gets right
    assert mcnemar_p(first, second) == pytest.approx(2 * 0.5**6)
    assert mcnemar_p(second, first) == pytest.approx(2 * 0.5**6)
    first[6] = False
    assert mcnemar_p(first, second) == pytest.approx(2 * (1 + 7) * 0.5**7)
