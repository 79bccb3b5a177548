"""A process that lives and does not answer."""

import threading
from typing import Never

from stripwatch.worker.service.child_probe import HANG_S_MAX, ChildProbe


def test_a_child_that_has_been_silent_for_long_hangs() -> None:
    now_s, alive = [0.0], {9001}
    probe = ChildProbe([9001, 9002], ask=lambda port: port in alive, now_s=lambda: now_s[0])
    now_s[0] = HANG_S_MAX + 1
    probe.look()
    assert not probe.hangs(0, started_s=0.0)
    assert probe.hangs(1, started_s=0.0)
    assert not probe.hangs(1, started_s=HANG_S_MAX)  # it has just been started again


def test_its_own_death_is_told() -> None:
    died = threading.Event()

    def ask(port: int) -> Never:
        raise RuntimeError(port)

    probe = ChildProbe([9001], ask=ask)
    probe.start(lambda _: died.set())
    assert died.wait(60)
