"""Each kind of client is opened in one module."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[3]
CLIENTS = {"KafkaConsumer", "BoundedConsumer", "KafkaProducer", "KafkaAdminClient"}
PROBE = "worker/bench/embedded_broker.py"  # polls a broker that it has just started every few milliseconds


def opened_clients(source: str) -> set[str]:
    """Return the kinds of client that a module creates, directly or with `connect`."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    made = [call.func for call in calls]
    made += [call.args[0] for call in calls if call.args and ast.unparse(call.func) == "connect"]
    return {name for name in map(ast.unparse, made) if name in CLIENTS}


def test_each_kind_of_client_is_opened_in_one_module() -> None:
    files = [file for top in ("worker", "training", "export") for file in (ROOT / top).rglob("*.py")]
    found = {str(file.relative_to(ROOT)): opened_clients(file.read_text()) for file in files}
    assert {file: kinds for file, kinds in found.items() if kinds} == {
        "worker/broker/consumers.py": {"BoundedConsumer"},
        "worker/broker/producers.py": {"KafkaProducer"},
        "worker/broker/admin.py": {"KafkaAdminClient"},
        PROBE: {"KafkaAdminClient"},
    }
