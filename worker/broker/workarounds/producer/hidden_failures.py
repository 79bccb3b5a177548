"""After a fatal error, the next call of a transactional producer raises a plain error with the cause only as text.

Version: kafka-python 3.0.12
Symptom: The error is a KafkaError without `__cause__`, so its type does not show what failed.
Workaround: Read the error from the transaction manager.
Shown by: test_kafka_python_reports_a_fatal_error_only_as_text
"""

from kafka import KafkaProducer


def fatal_error(producer: KafkaProducer) -> BaseException | None:
    """Return the fatal error of a transactional producer; None if there is none."""
    error: BaseException | None = producer._transaction_manager.last_error
    return error
