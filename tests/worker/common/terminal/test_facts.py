from typing import Any

from stripwatch.worker.common.terminal.facts import facts_of, interval_text

ACCURACY = {"value": 0.98611, "low": 0.9723, "high": 0.99338}


def test_facts_of_a_summary_have_units_of_people() -> None:
    summary: dict[str, Any] = {
        "frames_sent": 24000,
        "bundle": "a",
        "rejected": 0,
        "dry_run": False,
        "frames_per_second": 1234.56,
        "score_difference": 0.00001234,
        "accuracy": ACCURACY,
        "labels": {"scratch": 3, "pit": 1},
        "unreached": [],
        "sheet": None,
        "files": [f"{at}.jpg" for at in range(10)],
    }
    assert facts_of(summary) == {
        "frames sent": "24,000",
        "bundle": "a",
        "rejected": "0",
        "dry run": "no",
        "frames per second": "1,234.6",
        "score difference": "1.234e-05",
        "accuracy": "0.9861 (95 % interval 0.9723 to 0.9934)",
        "labels": "scratch: 3; pit: 1",
        "files": "0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg, 5.jpg, 6.jpg, 7.jpg, and 2 more",
    }


def test_an_interval_without_width_is_not_shown() -> None:
    assert interval_text(ACCURACY) == "0.9861 (95 % interval 0.9723 to 0.9934)"
    certain = {"value": 1.0, "low": 1.0, "high": 1.0}
    assert interval_text(certain) == "1.0000 (no interval, because all resamples give this value)"
