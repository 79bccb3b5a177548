from stripwatch.worker.common.rates import WindowedRate
from stripwatch.worker.dashboard.state.line_views import Latency


def test_rate_counts_completed_seconds_only() -> None:
    rate = WindowedRate(window_s=10)
    for tenth in range(100, 250):
        rate.add(tenth / 10)
    assert rate.per_second(25.0) == 10
    assert rate.per_second(30.0) == 5
    assert rate.per_second(99.0) == 0


def test_latency_without_values_is_unknown() -> None:
    latency = Latency()
    assert latency.percentile(50) is None
    for value in range(101):
        latency.add(value)
    assert latency.percentile(99) == 99
