import os
import signal

from stripwatch.worker.common.clock import SystemClock


def test_a_signal_ends_the_wait_and_the_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    clock = SystemClock()
    with clock.stopped_by_signals():
        stopped = [clock.stopped]
        os.kill(os.getpid(), signal.SIGTERM)
        clock.sleep(3600)
        stopped.append(clock.stopped)
        clock.sleep(3600)
    assert stopped == [False, True]
    assert signal.getsignal(signal.SIGTERM) is before
