"""The linger time cannot be changed after the producer was created.

Version: kafka-python 3.0.12
Symptom: There is no public way to change linger_ms, while the best value depends on the load.
Workaround: Set it where the producer looks it up each time that it seeks something to send.
Shown by: test_linger_is_copied_at_the_start_by_itself
"""

from kafka import KafkaProducer


def set_linger(producer: KafkaProducer, ms: float) -> None:
    """From now on."""
    producer._accumulator.config["linger_ms"] = ms
