"""The metrics of several workers at one address, labelled by process, and whether all are ready.

The workers are asked at the same time, under one deadline: one that hangs delays nobody and hides no other.
"""

import asyncio
import json
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from prometheus_client import Counter
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

SCRAPE_S_MAX = 1.0  # for all workers together, well under the scrape timeouts in deploy/
PROBE_S_MAX = 2.0  # likewise, for probes: the shortest timeout of those in deploy/ is 4 s


class MultiprocessMetrics(Collector):
    """The metrics of every worker that answers, each sample with the label `process`, its number.

    stripwatch_process_up says for each worker whether its metrics are among them.
    own: a metric which the supervisor has as its workers do; its samples have no such label.
    """

    def __init__(self, ports: Sequence[int], own: Counter | None = None) -> None:
        self._ports = ports
        self._own = own

    def describe(self) -> list[Metric]:
        """What the supervisor adds; what the workers have is asked at each scrape."""
        return [_process_up()]

    def collect(self) -> Iterator[Metric]:
        merged = {metric.name: metric for metric in (self._own.collect() if self._own else ())}
        up = _process_up()
        for number, text in enumerate(_ask(self._ports, "/metrics", SCRAPE_S_MAX)):
            families = _families(text)
            up.add_metric([str(number)], float(bool(families)))
            for family in families:
                metric = merged.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    metric.add_sample(sample.name, {**sample.labels, "process": str(number)}, sample.value)
        yield up
        yield from merged.values()


def all_ready(ports: Sequence[int]) -> dict[str, bool]:
    """By the number of the process, as the checks of /readyz."""
    found = _ask(ports, "/readyz", PROBE_S_MAX)
    return {f"process_{number}": _says_ready(text) for number, text in enumerate(found)}


def all_alive(ports: Sequence[int]) -> list[bool]:
    """Whether the worker at each port says that it is alive."""
    return [text is not None for text in _ask(ports, "/healthz", PROBE_S_MAX)]


def fetch(port: int, path: str) -> str | None:
    """What one worker, or a supervisor, answers at a path; None where it does not answer, or not with 200."""
    return _ask([port], path, PROBE_S_MAX)[0]


def _process_up() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "stripwatch_process_up",
        "1 where the metrics of a worker process were read, 0 where it runs and hangs, or does not run.",
        labels=["process"],
    )


def _families(text: str | None) -> list[Metric]:
    """None of a worker that did not answer, or whose answer is not a page of metrics."""
    try:
        return list(text_string_to_metric_families(text or ""))
    except ValueError:
        return []


def _says_ready(text: str | None) -> bool:
    try:
        return text is not None and json.loads(text)["ready"] is True
    except (ValueError, LookupError, TypeError):
        return False


def _ask(ports: Sequence[int], path: str, s_max: float) -> list[str | None]:
    """The answer of each port within s_max, else None, also where this process has no file descriptor left to ask with.

    No thread is needed, which a machine in trouble may refuse.
    """
    try:
        _check_descriptors()
        return asyncio.run(_ask_at_once(ports, path, s_max))
    except OSError:
        return [None] * len(ports)


def _check_descriptors() -> None:
    """Raise OSError unless an event loop can have its three: asyncio does not close one that gets only some of them."""
    reader, writer = socket.socketpair()
    with reader, writer, Path(os.devnull).open("rb"):
        pass


async def _ask_at_once(ports: Sequence[int], path: str, s_max: float) -> list[str | None]:
    return await asyncio.gather(*(_get(port, path, s_max) for port in ports))


async def _get(port: int, path: str, s_max: float) -> str | None:
    """None where it does not answer in full, or says that it is not ready."""
    try:
        async with asyncio.timeout(s_max):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
                return _body(await reader.read())
            finally:
                writer.close()
    except (OSError, ValueError):
        return None


def _body(answer: bytes) -> str | None:
    """Of HTTP/1.0; None where the status is not 200, or the worker ended in the middle. Raises ValueError."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(":") for line in lines)}
    whole = len(body) == int(headers.get("content-length", len(body)))
    return body.decode() if " 200 " in f"{status} " and whole else None
