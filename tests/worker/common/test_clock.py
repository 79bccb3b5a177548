import threading

from stripwatch.worker.common.clock import SystemClock


def test_stop_ends_the_current_and_every_later_sleep() -> None:
    clock = SystemClock()
    threading.Timer(0.1, clock.stop).start()
    clock.sleep(3600)
    assert clock.stopped
    clock.sleep(3600)
