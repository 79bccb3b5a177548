"""Aggregated metrics and readiness of several worker processes.

All workers are queried concurrently under one deadline, so one that hangs neither delays nor hides the others.
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

SCRAPE_S_MAX = 1.0  # for all workers together; well below the scrape timeouts in deploy/
PROBE_S_MAX = 2.0  # likewise for probes; the shortest probe timeout in deploy/ is 4 s


class MultiprocessMetrics(Collector):
    """Collector of the metrics of all workers that respond. The label `process` is the number of the worker.

    `stripwatch_process_up` shows for each worker whether its metrics are included.

    own: a metric that both the supervisor and its workers have; the supervisor's samples have no `process` label.
    """

    def __init__(self, ports: Sequence[int], own: Counter | None = None) -> None:
        self._ports = ports
        self._own = own

    def describe(self) -> list[Metric]:
        """Return the metrics of the supervisor. Those of the workers are read at each scrape."""
        return [_process_up()]

    def collect(self) -> Iterator[Metric]:
        merged = {metric.name: metric for metric in (self._own.collect() if self._own else ())}
        up = _process_up()
        for number, text in enumerate(_fetch(self._ports, "/metrics", SCRAPE_S_MAX)):
            families = _families(text)
            up.add_metric([str(number)], float(bool(families)))
            for family in families:
                metric = merged.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    metric.add_sample(sample.name, {**sample.labels, "process": str(number)}, sample.value)
        yield up
        yield from merged.values()


def all_ready(ports: Sequence[int]) -> dict[str, bool]:
    """Return the readiness of each process, by name, in the form of the checks of /readyz."""
    responses = _fetch(ports, "/readyz", PROBE_S_MAX)
    return {f"process_{number}": _reports_ready(text) for number, text in enumerate(responses)}


def all_alive(ports: Sequence[int]) -> list[bool]:
    """Return whether each worker responds to /healthz with 200."""
    return [text is not None for text in _fetch(ports, "/healthz", PROBE_S_MAX)]


def fetch(port: int, path: str) -> str | None:
    """Fetch one path of a worker or supervisor. Return None if it does not respond with 200."""
    return _fetch([port], path, PROBE_S_MAX)[0]


def _process_up() -> GaugeMetricFamily:
    return GaugeMetricFamily(
        "stripwatch_process_up",
        "1 if the metrics of a worker process were read, 0 if it is hung or not running.",
        labels=["process"],
    )


def _families(text: str | None) -> list[Metric]:
    """Parse a page of metrics. Return an empty list if there is no response or it cannot be parsed."""
    try:
        return list(text_string_to_metric_families(text or ""))
    except ValueError:
        return []


def _reports_ready(text: str | None) -> bool:
    try:
        return text is not None and json.loads(text)["ready"] is True
    except (ValueError, LookupError, TypeError):
        return False


def _fetch(ports: Sequence[int], path: str, s_max: float) -> list[str | None]:
    """Return the response of each port within s_max seconds, else None; also None if no file descriptor is available.

    Uses no thread, because a machine in trouble may be unable to start one.
    """
    try:
        _check_descriptors()
        return asyncio.run(_fetch_all(ports, path, s_max))
    except OSError:
        return [None] * len(ports)


def _check_descriptors() -> None:
    """Raise OSError unless three file descriptors are available.

    An event loop needs three, and asyncio leaks them if it gets only some.
    """
    reader, writer = socket.socketpair()
    with reader, writer, Path(os.devnull).open("rb"):
        pass


async def _fetch_all(ports: Sequence[int], path: str, s_max: float) -> list[str | None]:
    return await asyncio.gather(*(_get(port, path, s_max) for port in ports))


async def _get(port: int, path: str, s_max: float) -> str | None:
    """Return the body, or None if the response is incomplete or its status is not 200."""
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
    """Return the body of an HTTP/1.0 response, or None if its status is not 200 or it is truncated.

    Raises " "ValueError.
    """
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(":") for line in lines)}
    whole = len(body) == int(headers.get("content-length", len(body)))
    return body.decode() if " 200 " in f"{status} " and whole else None
