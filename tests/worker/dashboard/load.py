"""A load test of the page: `python -m tests.worker.dashboard.load --minutes 10 --rate 50`.

It sends results with frames, every second one with a defect, to its own broker, while ten readers follow the event
stream and a real Chromium shows the page. Each minute it reports the memory of the server, the JavaScript heap of the
page after garbage collection, and the time from a click on a class to the next frame that the page draws. The last line
on stdout is JSON.
"""

import argparse
import json
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

import cv2
import msgspec
import numpy as np
import psutil
from selenium import webdriver

from stripwatch.worker.bench.embedded_broker import embedded_broker
from stripwatch.worker.common.process.usage import resident_mb
from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line
from tests.worker.dashboard.conftest import chromium, console, running_page
from tests.worker.dashboard.events import Shown, event

CAMERAS, COIL_FRAMES, VIEWERS = 4, 1000, 10
_FRAMES = 200  # pictures to fetch; the results refer to them in rotation
CLICK = """
const done = arguments[0], box = document.querySelector('#classes input'), began = performance.now();
box.click();
requestAnimationFrame(() => requestAnimationFrame(() => { box.click(); done(performance.now() - began); }));
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=50)
    asked = parser.parse_args()
    stopped, sent, heard = threading.Event(), [0], [0] * VIEWERS
    samples: list[dict[str, Any]] = []
    with ExitStack() as stack:
        broker = stack.enter_context(embedded_broker())
        line = Line.on(BrokerHandle("embedded", broker.bootstrap_servers, 1500))
        address = stack.enter_context(running_page(line))
        chrome = stack.enter_context(chromium())
        stack.enter_context(_threads(stopped, line, asked.rate, sent, address, heard))
        chrome.get(address)
        began_s = time.monotonic()
        while (now_s := time.monotonic() - began_s) < 60 * asked.minutes:
            time.sleep(min(60, 60 * asked.minutes - now_s))
            samples.append(_sample(chrome, address, time.monotonic() - began_s, sent[0]))
            print(json.dumps(samples[-1]), file=sys.stderr, flush=True)
        said = console(chrome)
    print(json.dumps({"frames_sent": sent[0], "samples": samples, "console": said, "viewer_bytes": heard}))


@contextmanager
def _threads(
    stopped: threading.Event, line: Line, rate: float, sent: list[int], address: str, heard: list[int]
) -> Iterator[None]:
    threads = [threading.Thread(target=_send, args=(line, rate, stopped, sent))]
    threads += [threading.Thread(target=_listen, args=(address, stopped, heard, at)) for at in range(VIEWERS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def _send(line: Line, rate: float, stopped: threading.Event, sent: list[int]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (200, 200), np.uint8)
    grey = cv2.imencode(".jpg", noise)[1].tobytes()
    with line.broker.producer(linger_ms=0) as producer:
        places = [producer.send(line.topics["frames"], grey).get(60) for _ in range(_FRAMES)]
        began_s = time.monotonic()
        while not stopped.wait(max(0.0, began_s + sent[0] / rate - time.monotonic())):
            number, camera = divmod(sent[0], CAMERAS)
            coil, frame = divmod(number, COIL_FRAMES // CAMERAS)
            label = f"class {number % 5}" if sent[0] % 2 else None
            shown = Shown(frame, f"L{coil}", f"top-{camera + 1}", label)
            value = msgspec.json.encode(event(shown, places[sent[0] % _FRAMES], datetime.now(UTC)))
            producer.send(line.topics["results"], value, key=shown.camera.encode())
            sent[0] += 1


def _listen(address: str, stopped: threading.Event, heard: list[int], at: int) -> None:
    with urllib.request.urlopen(f"{address}events", timeout=60) as stream:
        while not stopped.is_set():
            heard[at] += len(stream.readline())


def _sample(chrome: webdriver.Chrome, address: str, seconds: float, sent: int) -> dict[str, Any]:
    port = address.rstrip("/").rpartition(":")[2]
    chrome.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    chrome.execute_cdp_cmd("Performance.enable", {})
    metrics = {m["name"]: m["value"] for m in chrome.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]}
    return {
        "seconds": round(seconds),
        "frames_sent": sent,
        "server_rss_mb": _rss_mb(port),
        "page_heap_mb": round(metrics["JSHeapUsedSize"] / 1e6, 1),
        "page_nodes": int(metrics["Nodes"]),
        "click_to_frame_ms": round(float(chrome.execute_async_script(CLICK)), 1),
        "status": chrome.execute_script("return document.querySelector('#status').textContent.trim()"),
    }


def _rss_mb(port: str) -> float | None:
    """Return the resident memory of the child process that serves the page."""
    for child in psutil.Process().children():
        if {"view", "stripwatch.worker"} <= set(child.cmdline()):
            return resident_mb(child.pid)
    raise RuntimeError(f"no process serves port {port}")


if __name__ == "__main__":
    main()
