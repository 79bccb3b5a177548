"""Slow pictures leave threads for the rest of the page."""

import asyncio
import threading

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from stripwatch.worker.dashboard.web.picture_responses import THREADS_MAX, PictureThreads, no_picture

THREADS_OF_THE_SERVER = 40


async def peak_of(fetches: int) -> tuple[int, int]:
    """Return how many fetches ran at once, and how many finished. None ends before all places are taken."""
    threads, entered, gate = PictureThreads(), threading.Semaphore(0), threading.Event()
    lock, running, peak = threading.Lock(), 0, 0

    def fetch() -> Response:
        nonlocal running, peak
        with lock:
            running += 1
            peak = max(peak, running)
        entered.release()
        gate.wait(60)
        with lock:
            running -= 1
        return no_picture()

    tasks = [asyncio.create_task(threads.run(fetch)) for _ in range(fetches)]
    for _ in range(THREADS_MAX):
        await run_in_threadpool(entered.acquire)  # a thread is free for this while the fetches wait
    gate.set()
    return peak, len(await asyncio.gather(*tasks))


def test_waiting_pictures_do_not_occupy_all_threads() -> None:
    assert asyncio.run(peak_of(2 * THREADS_OF_THE_SERVER)) == (THREADS_MAX, 2 * THREADS_OF_THE_SERVER)
