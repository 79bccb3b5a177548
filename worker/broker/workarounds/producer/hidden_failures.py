"""After a fatal error, the next call of a transactional producer raises a plain error with the cause only as text.

Version: kafka-python 3.0.12
Symptom: The calls raise a plain KafkaError, which holds the first error as text alone.
Workaround: Ask the transaction manager.
Shown by: test_a_broken_producer_does_not_say_why_by_itself
"""

from kafka import KafkaProducer


def fatal_error(producer: KafkaProducer) -> BaseException | None:
    """What broke a transactional producer as a whole."""
    error: BaseException | None = producer._transaction_manager.last_error
    return error
