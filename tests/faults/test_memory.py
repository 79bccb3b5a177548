"""The memory bound that the harness checks is the documented one."""

import re
from pathlib import Path

import pytest

from tests.faults.memory import WORKER_MB, bytes_beside_itself, memory_mb_max

TEXT = " ".join((Path(__file__).parents[2] / "docs" / "explanation" / "memory.md").read_text().split())


def documented(pattern: str) -> int:
    found = re.search(pattern, TEXT)
    assert found, pattern
    return int(found[1])


def test_the_bound_is_the_documented_sum() -> None:
    assert bytes_beside_itself(1, 16_000_000) == documented(r"The sum is (\d+) MB with the defaults") * 1_000_000
    assert documented(r"allow (\d+) MB for both, with a tiny model") == WORKER_MB


def test_each_broker_may_send_two_batches() -> None:
    assert memory_mb_max(3) - memory_mb_max(1) == pytest.approx(2 * 5 * 20.97152)
