"""What broke a producer. The test that ends in `_by_itself` fails when the workaround can go."""

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


def test_a_broken_producer_does_not_say_why_by_itself(broken: TransactionManager) -> None:
    """Only as text."""
    with pytest.raises(KafkaError) as raised:
        broken.initialize_transactions()
    assert type(raised.value) is KafkaError
    assert raised.value.__cause__ is None


def test_the_error_is_known(broken: TransactionManager) -> None:
    assert isinstance(fatal_error(SimpleNamespace(_transaction_manager=broken)), MessageSizeTooLargeError)
