"""ACL operations that kafka-python does not know.

Tests whose name starts with `test_kafka_python` show the fault; if one fails, the workaround can be removed.
"""

import importlib.util

import pytest
from kafka.admin import KafkaAdminClient, _acls

from stripwatch.worker.broker.workarounds.connection.acl_operations import ignore_unknown_operations

_READ, _UNKNOWN = 3, 99


def test_kafka_python_fails_for_an_unknown_operation() -> None:
    own = importlib.util.find_spec("kafka.admin._acls")
    assert own is not None
    assert own.loader is not None
    unchanged = importlib.util.module_from_spec(own)
    own.loader.exec_module(unchanged)  # another test may have applied the workaround to the imported module
    with pytest.raises(ValueError, match="99 is not a valid ACLOperation"):
        unchanged.valid_acl_operations({_READ, _UNKNOWN})


def test_leaves_out_unknown_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_acls, "valid_acl_operations", _acls.valid_acl_operations)
    ignore_unknown_operations()
    client = KafkaAdminClient.__new__(KafkaAdminClient)
    found = client._process_acl_operations({"authorized_operations": {0, 1, 2, _READ, _UNKNOWN}})
    assert found == {"authorized_operations": ["READ"]}
