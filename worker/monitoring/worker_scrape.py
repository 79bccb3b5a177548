"""The metrics of several workers at one address, labelled by process, and whether all are ready."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence

from prometheus_client import Counter
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

_ANSWER_S_MAX = 2.0


class MultiprocessMetrics(Collector):
    """The metrics of every worker that answers, each sample with the label `process`, its number.

    own: a metric which the supervisor has as its workers do; its samples have no such label.
    """

    def __init__(self, ports: Sequence[int], own: Counter | None = None) -> None:
        self._ports = ports
        self._own = own

    def describe(self) -> list[Metric]:
        """Nothing yet: what the workers have is asked at each scrape."""
        return []

    def collect(self) -> Iterator[Metric]:
        merged = {metric.name: metric for metric in (self._own.collect() if self._own else ())}
        for number, port in enumerate(self._ports):
            for family in text_string_to_metric_families(_get(port, "/metrics") or ""):
                metric = merged.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                for sample in family.samples:
                    metric.add_sample(sample.name, {**sample.labels, "process": str(number)}, sample.value)
        yield from merged.values()


def all_ready(ports: Sequence[int]) -> dict[str, bool]:
    """By the number of the process, as the checks of /readyz."""
    return {f"process_{number}": _is_ready(port) for number, port in enumerate(ports)}


def answers(port: int) -> bool:
    """Whether the worker at this port says that it is alive."""
    return _get(port, "/healthz") is not None


def _is_ready(port: int) -> bool:
    answer = _get(port, "/readyz")
    return answer is not None and bool(json.loads(answer)["ready"])


def _get(port: int, path: str) -> str | None:
    """None where it does not answer, or says that it is not ready."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=_ANSWER_S_MAX) as answer:
            text: str = answer.read().decode()
            return text
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return None
