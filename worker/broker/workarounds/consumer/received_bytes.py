"""A consumer that gets no answer retries forever without reporting it, and does not count received bytes.

Version: kafka-python 3.0.12
Symptom: Its metrics have the rate of incoming bytes, which decays, and not their sum.
Workaround: Add a sum to the sensor of the rate.
Shown by: test_incoming_bytes_are_not_summed_by_itself
"""

from collections.abc import Callable

from kafka import KafkaConsumer
from kafka.metrics.stats.total import Total


def count_received(consumer: KafkaConsumer) -> Callable[[], float]:
    """How many bytes have come in from any broker since this call."""
    total = Total()
    metrics = consumer._metrics
    metrics.sensor("bytes-received").add(metrics.metric_name("incoming-byte-total", "consumer-metrics"), total)
    return lambda: float(total.measure(None, None))
