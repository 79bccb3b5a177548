"""Fatal errors of a producer.

Tests whose name starts with `test_kafka_python` show the fault; if one fails, the workaround can be removed.
"""

from types import SimpleNamespace

import pytest
from kafka.errors import KafkaError, MessageSizeTooLargeError
from kafka.producer.transaction_manager import TransactionManager

from stripwatch.worker.broker.workarounds.producer.hidden_failures import fatal_error


@pytest.fixture
def broken() -> TransactionManager:
    manager = TransactionManager("worker", api_version=(2, 5))
    manager.transition_to_fatal_error(MessageSizeTooLargeError("900 bytes"))
    return manager


def test_kafka_python_reports_a_fatal_error_only_as_text(broken: TransactionManager) -> None:
    with pytest.raises(KafkaError) as raised:
        broken.initialize_transactions()
    assert type(raised.value) is KafkaError
    assert raised.value.__cause__ is None


def test_returns_the_fatal_error(broken: TransactionManager) -> None:
    assert isinstance(fatal_error(SimpleNamespace(_transaction_manager=broken)), MessageSizeTooLargeError)
