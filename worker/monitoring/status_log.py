"""One log line per minute with the figures of a worker or of all processes of a supervisor, and totals at the end."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog
from prometheus_client.metrics_core import Metric

log = structlog.get_logger()

_AGES = "stripwatch_frame_age_seconds_bucket"
_COUNTERS = (
    "stripwatch_frames_total",
    "stripwatch_results_total",
    "stripwatch_rejects_total",
    "stripwatch_batch_frames_count",
    _AGES,
)
_READY = ("stripwatch_ready", "stripwatch_process_up")  # the latter is 0 for a process that does not respond
_GAUGES = (
    *_READY,
    "stripwatch_consumer_lag_frames",
    "stripwatch_inflight_frames",
    "process_resident_memory_bytes",
)
_Series = tuple[str, tuple[tuple[str, str], ...]]


class StatusLog:
    """Logs `status` at each interval from the first time that the worker was ready, and `totals` when it ends.

    While no frames arrive it logs `no frames` instead, with the time since the last one. The figures are the sums of
    all processes in the metrics.

    collect: reads the current metrics. interval_s: seconds between two lines; 0 logs only the totals. with_totals:
    False for a supervisor, whose processes log their own totals.
    """

    def __init__(
        self,
        collect: Callable[[], Iterable[Metric]],
        interval_s: float,
        with_totals: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._collect = collect
        self._interval_s = interval_s
        self._with_totals = with_totals
        self._monotonic = monotonic
        self._began_s = self._logged_s = self._frame_s = monotonic()
        self._counted: dict[_Series, float] = {}
        self._sums: dict[str, float] = defaultdict(float)
        self._was_ready = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="status", daemon=True)

    def __enter__(self) -> "StatusLog":
        if self._interval_s:
            self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._closing.set()
        if self._interval_s:
            self._thread.join()
        if self._with_totals:
            try:
                self.log_totals()
            except Exception:  # it must not replace the error that ended the worker
                log.exception("cannot determine the totals of the worker")

    def log_status(self) -> None:
        """Log the figures since the last call."""
        now_s = self._monotonic()
        counted, gauges = self._read()
        frames = _total(counted, "stripwatch_frames_total")
        is_ready = min((value for (name, _), value in gauges.items() if name in _READY), default=0) == 1
        self._was_ready = self._was_ready or bool(frames) or is_ready
        seconds, self._logged_s = now_s - self._logged_s, now_s
        if frames:
            self._frame_s = now_s
        if not self._was_ready:
            self._frame_s = now_s  # not idle, but still starting
            return
        state = {
            "ready": is_ready,
            "lag_frames": round(_total(gauges, "stripwatch_consumer_lag_frames")),
            "inflight_frames": round(_total(gauges, "stripwatch_inflight_frames")),
            "memory_mb": round(_total(gauges, "process_resident_memory_bytes") / 1e6),
        }
        settled = sum(_total(counted, name) for name in ("stripwatch_results_total", "stripwatch_rejects_total"))
        if frames or settled:
            log.info("status", **_figures(counted, seconds), **state)
        else:
            log.info("no frames", idle_s=round(now_s - self._frame_s), **state)

    def log_totals(self) -> None:
        """Log the totals since the start."""
        self._read()
        sums = self._sums
        log.info(
            "totals",
            frames=round(sums["stripwatch_frames_total"]),
            results=round(sums["stripwatch_results_total"]),
            rejects=round(sums["stripwatch_rejects_total"]),
            seconds=round(self._monotonic() - self._began_s, 1),
        )

    def _read(self) -> tuple[dict[_Series, float], dict[_Series, float]]:
        """Return the increase of each counter since the last reading, and the gauges.

        A counter that is lower than before belongs to a process that was restarted. One that is missing belongs to a
        process that does not respond at present.
        """
        increases: dict[_Series, float] = {}
        gauges: dict[_Series, float] = {}
        for metric in self._collect():
            for sample in metric.samples:
                series = sample.name, tuple(sorted(sample.labels.items()))
                if sample.name in _GAUGES:
                    gauges[series] = sample.value
                elif sample.name in _COUNTERS:
                    before = self._counted.get(series, 0.0)
                    increase = sample.value - before if sample.value >= before else sample.value
                    self._counted[series] = sample.value
                    increases[series] = increase
                    self._sums[sample.name] += increase
        return increases, gauges

    def _run(self) -> None:
        while not self._closing.wait(self._interval_s):
            try:
                self.log_status()
            except Exception:  # the next one may succeed, and the worker does not depend on this line
                log.exception("cannot determine the figures of the worker")


def _figures(counted: Mapping[_Series, float], seconds: float) -> dict[str, Any]:
    """Return the fields about frames. Results are counted by verdict, ages are in milliseconds."""
    verdicts: dict[str, float] = defaultdict(float)
    ages: dict[float, float] = defaultdict(float)
    for (name, labels), value in counted.items():
        if name == "stripwatch_results_total":
            verdicts[dict(labels)["verdict"]] += value
        elif name == _AGES:
            ages[float(dict(labels)["le"])] += value
    frames = _total(counted, "stripwatch_frames_total")
    quantiles = {name: histogram_quantile(share, ages) for name, share in (("p50", 0.5), ("p99", 0.99))}
    return {
        "frames": round(frames),
        "frames_per_s": round(frames / seconds, 1) if seconds else None,
        **{verdict: round(verdicts[verdict]) for verdict in ("clean", "unsure", "defect", "skipped")},
        "rejects": round(_total(counted, "stripwatch_rejects_total")),
        "batches": round(_total(counted, "stripwatch_batch_frames_count")),
        **{f"age_ms_{name}": None if s is None else round(1000 * s) for name, s in quantiles.items()},
    }


def histogram_quantile(share: float, buckets: Mapping[float, float]) -> float | None:
    """Return a quantile of a Prometheus histogram, as its function histogram_quantile does; None without observations.

    It interpolates linearly inside a bucket. A quantile above the last finite bound is returned as that bound.

    share: 0 to 1. buckets: number of observations up to each bound; the last bound is infinite.
    """
    bounds = sorted(buckets)
    total = buckets[bounds[-1]] if bounds else 0.0
    if not total:
        return None
    rank = share * total
    lower, below = 0.0, 0.0
    for bound in bounds[:-1]:
        if buckets[bound] >= rank:
            inside = buckets[bound] - below
            return lower + (bound - lower) * (rank - below) / inside if inside else bound
        lower, below = bound, buckets[bound]
    return lower


def _total(values: Mapping[_Series, float], wanted: str) -> float:
    return sum(value for (name, _), value in values.items() if name == wanted)
