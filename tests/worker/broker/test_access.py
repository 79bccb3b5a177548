"""Answers about access that need no broker. tests/worker/service/test_check_kafka.py asks real ones."""

import pytest
from kafka.errors import (
    CoordinatorNotAvailableError,
    InvalidProducerIdMappingError,
    TransactionalIdAuthorizationFailedError,
)

from stripwatch.worker.broker import access


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_COORDINATOR_S_MAX", 0)
    monkeypatch.setattr(access, "_ASK_AGAIN_S", 0)


def test_nothing_is_known_without_a_coordinator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "transaction_error", lambda *_: CoordinatorNotAvailableError)
    with pytest.raises(CoordinatorNotAvailableError, match="no transaction coordinator answered"):
        access.transaction_problem(None, "line-1")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (InvalidProducerIdMappingError, None),
        (TransactionalIdAuthorizationFailedError, "TransactionalIdAuthorizationFailedError"),
    ],
)
def test_the_answer_of_the_coordinator_decides(
    answer: type[Exception], problem: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "transaction_error", lambda *_: answer)
    assert access.transaction_problem(None, "line-1") == problem
