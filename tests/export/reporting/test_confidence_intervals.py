import pytest

from stripwatch.export.reporting.confidence_intervals import interval_words, share_interval
from stripwatch.export.results.run_evaluation import Interval


def test_a_share_without_errors_has_a_wilson_interval_with_a_width() -> None:
    found = share_interval(9, 9)
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.7009, abs=1e-4)


def test_an_interval_in_words_names_its_kind() -> None:
    words = interval_words(Interval(0.9, 0.8, 0.95), "bootstrap")
    assert words == "0.9000, 95 % interval 0.8000 to 0.9500 (bootstrap interval)"


def test_an_interval_without_width_is_not_shown() -> None:
    words = interval_words(Interval(1.0, 1.0, 1.0), "bootstrap")
    assert words == "1.0000, without an interval, because all resamples give this value"
