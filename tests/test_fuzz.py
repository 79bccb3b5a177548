"""The short fuzz run; `python -m tests.fuzz` is the long one."""

import pytest

from tests import fuzz
from worker.errors import RejectReason


def test_every_mutated_frame_is_accounted_for() -> None:
    found = fuzz.fuzz(0, 2000, seed=1)
    assert found.crashes == {}
    assert found.outcomes.total() == 2000
    # INFERENCE_FAILED comes after decoding; more than BYTES_MAX is rare among so few
    seldom = {RejectReason.INFERENCE_FAILED, RejectReason.TOO_MANY_BYTES}
    assert {"decoded", *RejectReason} - seldom <= set(found.outcomes)


def test_an_exception_of_another_kind_is_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("not a FrameRejected")

    monkeypatch.setattr(fuzz, "decode", broken)
    found = fuzz.fuzz(5, 7, seed=1)
    assert found.outcomes == {"crash": 2}
    assert found.crashes[5] == "ValueError: not a FrameRejected"
