"""A consumer that gets no answer retries forever without reporting it, and does not count received bytes.

Version: kafka-python 3.0.12
Symptom: Its metrics have the rate of incoming bytes, which decays, but not their total.
Workaround: Add a total to the sensor of the rate.
Shown by: test_kafka_python_has_no_total_of_incoming_bytes
"""

from collections.abc import Callable

from kafka import KafkaConsumer
from kafka.metrics.stats.total import Total


def count_received(consumer: KafkaConsumer) -> Callable[[], float]:
    """Return a function that returns the number of bytes received from all brokers since this call."""
    total = Total()
    metrics = consumer._metrics
    metrics.sensor("bytes-received").add(metrics.metric_name("incoming-byte-total", "consumer-metrics"), total)
    return lambda: float(total.measure(None, None))
