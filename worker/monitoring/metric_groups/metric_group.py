"""Base of the groups of a worker's metrics: registry, name prefix, bounded label values, and what a page exposes."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric

OTHER = "other"  # label value for all names beyond the limit


class MetricGroup:
    """Creates metrics named `stripwatch_...` in a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry

    def watch(self, gauge: Gauge, read: Callable[[], float], **labels: str) -> None:
        """Let a gauge read its value from `read` at every scrape."""
        (gauge.labels(**labels) if labels else gauge).set_function(read)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"stripwatch_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"stripwatch_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"stripwatch_{name}", text, labels, registry=self.registry, buckets=buckets)


class BoundedLabels:
    """Label values with a limit: new names beyond it become `other`, so a sender cannot create series without bound."""

    def __init__(self, names_max: int) -> None:
        self._names_max = names_max
        self._names: set[str] = set()

    def label(self, name: str) -> str:
        if name not in self._names:
            if len(self._names) >= self._names_max:
                return OTHER
            self._names.add(name)
        return name


class WithoutCreated:
    """A registry without the series `_created`: the time at which each counter began, one more series per counter.

    prometheus_client can only switch them off for the whole process, which may be a user's own.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric

    def restricted_registry(self, names: Iterable[str]) -> "WithoutCreated":
        return WithoutCreated(self._registry.restricted_registry(names))  # type: ignore[arg-type]
