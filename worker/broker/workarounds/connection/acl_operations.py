"""An admin client fails if a broker reports an ACL operation that kafka-python does not know.

Version: kafka-python 3.0.12
Symptom: Kafka 4 reports operation 15 for a group with members, and `describe_groups` raises ValueError.
Workaround: Leave out unknown operations.
Shown by: test_kafka_python_fails_for_an_unknown_operation
"""

from collections.abc import Iterable
from typing import Any

from kafka.admin import ACLOperation, _acls

_NOT_OPERATIONS = (ACLOperation.UNKNOWN, ACLOperation.ANY, ACLOperation.ALL)


def ignore_unknown_operations() -> None:
    """Make all admin clients of this process ignore unknown ACL operations."""
    vars(_acls)["valid_acl_operations"] = _known_operations


def _known_operations(numbers: Iterable[int]) -> set[Any]:
    known = {operation.value for operation in ACLOperation}
    return {ACLOperation(number) for number in numbers if number in known} - set(_NOT_OPERATIONS)
