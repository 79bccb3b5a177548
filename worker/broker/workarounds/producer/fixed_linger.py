"""The linger time cannot be changed after the producer was created.

Version: kafka-python 3.0.12
Symptom: There is no public way to change linger_ms, although its best value depends on the load.
Workaround: Set the private value that the producer reads each time it looks for records to send.
Shown by: test_kafka_python_copies_the_linger_at_creation
"""

from kafka import KafkaProducer


def set_linger(producer: KafkaProducer, ms: float) -> None:
    """Change the linger of a running producer. ms: time in milliseconds that a record waits for others."""
    producer._accumulator.config["linger_ms"] = ms
