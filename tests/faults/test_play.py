"""Detecting the recovery from a fault."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.faults import play
from tests.faults.judge import Place, SentFrame
from tests.faults.kinds.fault import Course
from tests.faults.ledger import Ledger
from tests.faults.play import Play

NOW_S = 1000.0


def calm(healed_s: float, acknowledged_s: float, settled: bool, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Return whether a fault healed at healed_s is over, after one frame acknowledged at acknowledged_s."""
    frame = SentFrame(Place(0, 0, 0), 0, b"", None)
    ledger = Ledger()
    ledger.add(frame, acknowledged_s)
    watcher = SimpleNamespace(settled={frame.place} if settled else set())
    scene: Any = SimpleNamespace(crew=SimpleNamespace(ready=True), watcher=watcher, broken=set())
    plan: Any = None
    played = Play(plan, scene, ledger, Path("unused"))
    over = play._Ongoing("recreate the frames topic", Course(), healed_s - 1, frozenset({0}), healed_s)
    monkeypatch.setattr(time, "monotonic", lambda: healed_s)
    played._ongoing.append(over)
    played._heal_if_due(over)
    monkeypatch.setattr(time, "monotonic", lambda: NOW_S)
    return played._calm()


@pytest.mark.parametrize(
    ("healed_s_ago", "acknowledged_s_ago", "settled", "expected"),
    [
        (0.0, 0.9, True, False),  # nothing was sent since
        (0.9, 0.9, False, False),  # the worker has not noticed the new topic yet
        (0.9, 0.6, False, False),
        (0.9, 0.9, True, True),
        (9.0, 0.6, False, True),  # just sent
        (9.0, 1.1, False, False),
    ],
)
def test_a_fault_is_over_when_frames_sent_since_have_outcomes(
    healed_s_ago: float, acknowledged_s_ago: float, settled: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert calm(NOW_S - healed_s_ago, NOW_S - acknowledged_s_ago, settled, monkeypatch) is expected
