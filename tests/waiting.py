"""Wait for a condition by polling instead of sleeping for a fixed time."""

import threading
import time
from collections.abc import Callable

AWAIT_S_MAX = 60.0


def wait_until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + AWAIT_S_MAX
    while not condition():
        assert time.monotonic() < deadline_s, "the condition did not become true in time"
        threading.Event().wait(0.01)
