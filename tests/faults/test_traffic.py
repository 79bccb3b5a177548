"""The end of the sender."""

from types import SimpleNamespace
from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError

from tests.faults.ledger import Ledger
from tests.faults.play import HarnessError
from tests.faults.traffic import Sender


def make_sender() -> Sender:
    """Whose producer has records left over when it is closed."""

    def close(timeout: float | None) -> None:
        raise KafkaTimeoutError

    producer = SimpleNamespace(close=close, send=lambda *_, **__: SimpleNamespace(add_callback=lambda _: None))
    kafka: Any = SimpleNamespace(handle=SimpleNamespace(producer=lambda **_: producer))
    return Sender(kafka, "frames", "group", [], Ledger())


def test_an_error_is_not_hidden_by_records_that_are_left_over() -> None:
    with pytest.raises(HarnessError), make_sender():
        raise HarnessError


def test_records_that_are_left_over_are_an_error_where_there_is_no_other() -> None:
    with pytest.raises(KafkaTimeoutError), make_sender():
        pass
