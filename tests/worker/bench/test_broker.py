"""`stripwatch broker` runs a broker for other commands until a signal stops it."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from kafka import KafkaAdminClient

from stripwatch.worker.common.process.ports import free_port

END_S_MAX = 30.0


@contextmanager
def broker_command(port: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-P", "-m", "stripwatch", "broker", "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_other_programs_can_use_it_until_it_is_stopped() -> None:
    port = free_port()
    with broker_command(port) as process:
        assert process.stderr is not None
        assert f"127.0.0.1:{port}" in process.stderr.readline()
        with KafkaAdminClient(bootstrap_servers=f"127.0.0.1:{port}") as admin:
            assert admin.describe_cluster()["cluster_id"].startswith("stripwatch-")
        process.send_signal(signal.SIGTERM)
        assert process.wait(END_S_MAX) == 0


def test_error_names_a_port_that_is_in_use() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with broker_command(port) as process:
            _, stderr = process.communicate(timeout=END_S_MAX)
    assert process.returncode == 2
    assert f"port {port} on 127.0.0.1 is in use" in stderr
