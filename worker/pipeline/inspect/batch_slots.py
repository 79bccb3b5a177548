"""Batches that are with the model at the same time, and come out in the order in which they went in.

Each slot is a thread. One that is free takes the next batch, so that no batch is gathered before somebody can run it.
"""

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class OrderedBatchSlots:
    """For as many threads as like, each of which calls `run_next_batch` again and again."""

    def __init__(self) -> None:
        self._entry = threading.Lock()
        self._left = threading.Condition()
        self._entered_count = 0
        self._left_count = 0

    def run_next_batch(
        self, take: Callable[[], T | None], run: Callable[[T], list[R]], emit: Callable[[list[R]], None]
    ) -> bool:
        """Take a batch, run it, and emit its results; False when there is none to take.

        One thread at a time takes, and one emits; several run. What `run` raises comes out here, once the batches
        before have left; those behind continue.
        """
        with self._entry:
            batch = take()
            if batch is None:
                return False
            turn = self._entered_count
            self._entered_count += 1
        done: list[R] = []
        try:
            done = run(batch)
        finally:
            with self._left:
                self._left.wait_for(lambda: self._left_count == turn)
            emit(done)
            with self._left:
                self._left_count += 1
                self._left.notify_all()
        return True
