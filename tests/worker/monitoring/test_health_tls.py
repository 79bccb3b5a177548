"""The health port with TLS: access by path, and clients that cannot block others. Tested on real sockets."""

import json
import shutil
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from stripwatch.worker.config.sections import MetricsSettings
from stripwatch.worker.monitoring import bounded_server, health, server_certificate
from stripwatch.worker.monitoring.bounded_server import CONNECTIONS_MAX
from stripwatch.worker.monitoring.health import HealthServer
from stripwatch.worker.monitoring.health_metrics import connections_closed
from stripwatch.worker.monitoring.server_certificate import expiry_s
from tests.waiting import wait_until

REFUSED = "TLS handshake with a client of the health port failed"


@contextmanager
def serving(folder: Path, **changes: Any) -> Iterator[HealthServer]:
    """Settings with broker.pem, which contains its key; ca.pem signs the certificates of clients."""
    registry = CollectorRegistry()
    settings = MetricsSettings(port=0, certificate_file=folder / "broker.pem", **changes)
    server = HealthServer(settings, registry, lambda: {"fine": True}, connections_closed(registry))
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def server(made: Path) -> Iterator[HealthServer]:
    with serving(made) as server:
        yield server


def trusting(folder: Path, certificate: str | None = None, authority: str = "ca.pem") -> ssl.SSLContext:
    """The TLS context of a client that trusts an authority and may have a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(folder / authority)
    if certificate:
        context.load_cert_chain(folder / f"{certificate}.pem", folder / f"{certificate}.key")
    return context


def fetch(server: HealthServer, path: str, context: ssl.SSLContext) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"https://127.0.0.1:{server.port}{path}", timeout=60, context=context) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def connect(server: HealthServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=60)


def count_closed(server: HealthServer, reason: str, context: ssl.SSLContext) -> int:
    prefix = f'stripwatch_health_connections_closed_total{{reason="{reason}"}} '
    lines = fetch(server, "/metrics", context)[1].splitlines()
    return int(float(next(line.removeprefix(prefix) for line in lines if line.startswith(prefix))))


def test_serves_a_client_that_trusts_the_authority(server: HealthServer, made: Path) -> None:
    context = trusting(made)
    assert fetch(server, "/healthz", context)[0] == 200
    status, body = fetch(server, "/readyz", context)
    assert (status, json.loads(body)["checks"]) == (200, {"fine": True})
    assert fetch(server, "/nowhere", context)[0] == 404
    status, body = fetch(server, "/metrics", context)
    line = next(line for line in body.splitlines() if line.startswith("stripwatch_health_certificate_expiry"))
    assert float(line.split()[1]) == expiry_s(made / "broker.pem")


def test_sends_close_notify_after_a_response(server: HealthServer, made: Path) -> None:
    """Without close_notify a client cannot tell a complete response from a truncated one."""
    with (
        connect(server) as plain,
        trusting(made).wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False) as client,
    ):
        client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(1000), b""))
    assert answer.endswith(b'{"alive": true}\n')


def test_refuses_an_old_tls_version(server: HealthServer, made: Path) -> None:
    context = trusting(made)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(urllib.error.URLError, match=r"(?i)protocol"), capture_logs():
        fetch(server, "/healthz", context)


def test_requires_a_client_certificate_only_for_metrics(made: Path) -> None:
    with serving(made, client_ca_file=made / "ca.pem") as server:
        assert fetch(server, "/metrics", trusting(made, "client"))[0] == 200
        status, body = fetch(server, "/metrics", trusting(made))
        assert (status, "metrics.client_ca_file" in body) == (403, True)
        assert [fetch(server, path, trusting(made))[0] for path in ("/healthz", "/readyz")] == [200, 200]
        with capture_logs() as lines:
            with pytest.raises(OSError):  # noqa: PT011 - TLS 1.3 refuses it after the handshake
                fetch(server, "/healthz", trusting(made, "other"))
            wait_until(lambda: len(lines) > 0)
        assert (lines[0]["event"], lines[0]["client"]) == (REFUSED, "127.0.0.1")
        assert "client certificate rejected (metrics.client_ca_file): self-signed" in lines[0]["why"]
        assert count_closed(server, "handshake", trusting(made, "client")) == 1


def test_logs_a_client_that_distrusts_the_certificate_or_speaks_plain_http(server: HealthServer, made: Path) -> None:
    with capture_logs() as lines:
        with pytest.raises(urllib.error.URLError, match=r"self-signed|unable to get local issuer"):
            fetch(server, "/metrics", trusting(made, authority="other.pem"))
        wait_until(lambda: len(lines) > 0)
    assert lines[0]["why"] == "tlsv1 alert unknown ca"
    with capture_logs() as lines, connect(server) as plain:
        plain.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        with suppress(ConnectionResetError):  # part of the request was not read
            assert b"HTTP/" not in plain.recv(1000)
        wait_until(lambda: len(lines) > 0)
    assert lines[0]["why"] == "the client sent plain HTTP to an HTTPS port (metrics.certificate_file)"
    assert count_closed(server, "handshake", trusting(made)) == 2


def test_logs_a_returning_client_once(server: HealthServer, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_REFUSED_MAX", 2)
    with capture_logs() as lines:
        for _ in range(3):
            with pytest.raises(urllib.error.URLError):
                fetch(server, "/metrics", trusting(made, authority="other.pem"))
        wait_until(lambda: count_closed(server, "handshake", trusting(made)) == 3)
        assert [line["event"] for line in lines] == [REFUSED]
        for client in ("::1", "::2", "::2"):
            server._server._log_refused(client, "why")
    assert [line["client"] for line in lines] == ["127.0.0.1", "::1", "::2"]
    assert server._server._refused == {("::2", "why")}, "the number of remembered clients is limited"


def test_does_not_count_a_port_check(server: HealthServer, made: Path) -> None:
    with capture_logs() as lines:
        connect(server).close()
        wait_until(lambda: server._server._threads == 0)
        assert count_closed(server, "handshake", trusting(made)) == 0
    assert lines == []


def test_a_hundred_clients_without_a_handshake_block_no_request(server: HealthServer, made: Path) -> None:
    with ExitStack() as stack, capture_logs():
        for _ in range(100):
            stack.enter_context(connect(server))
        for path in ("/healthz", "/readyz", "/metrics"):
            assert fetch(server, path, trusting(made))[0] == 200
        assert count_closed(server, "too_many", trusting(made)) >= 100 - CONNECTIONS_MAX


def test_a_hundred_idle_tls_clients_block_no_request(server: HealthServer, made: Path) -> None:
    context = trusting(made)
    with ExitStack() as stack, capture_logs():
        for _ in range(100):
            plain = stack.enter_context(connect(server))
            stack.enter_context(context.wrap_socket(plain, server_hostname="127.0.0.1"))
        assert fetch(server, "/metrics", context)[0] == 200


def test_closes_a_handshake_that_takes_too_long(
    server: HealthServer, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_server, "CLIENT_S_MAX", 0.3)
    with connect(server) as silent, capture_logs() as lines:
        assert silent.recv(1) == b"", "closed by the server"
        wait_until(lambda: len(lines) > 0)
    assert [line["why"] for line in lines] == ["open for too long"]
    monkeypatch.undo()
    assert fetch(server, "/healthz", trusting(made))[0] == 200


def test_uses_the_new_certificate_for_the_next_connection(made: Path, tmp_path: Path) -> None:
    shutil.copy(made / "expired.pem", tmp_path / "broker.pem")
    with serving(tmp_path) as server, capture_logs():
        with pytest.raises(urllib.error.URLError, match="certificate has expired"):
            fetch(server, "/healthz", trusting(made))
        shutil.copy(made / "broker.pem", tmp_path / "broker.pem")
        assert fetch(server, "/healthz", trusting(made))[0] == 200


def test_hanging_certificate_files_block_one_connection_only(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files hang as on a network mount: one connection waits, and the others get the previous certificate."""
    reading, mount_is_back = threading.Event(), threading.Event()

    def hang(_: Path) -> None:
        reading.set()
        mount_is_back.wait(60)

    with serving(made) as server, capture_logs():
        with monkeypatch.context() as patch:
            patch.setattr(server_certificate, "_state_of", hang)
            with connect(server):
                assert reading.wait(60)
                assert fetch(server, "/healthz", trusting(made))[0] == 200
            mount_is_back.set()
        wait_until(lambda: not server._server._threads)


def test_uses_the_new_client_authority_for_the_next_connection(made: Path, tmp_path: Path) -> None:
    authorities = Path(shutil.copy(made / "ca.pem", tmp_path))
    with serving(made, client_ca_file=authorities) as server, capture_logs():
        with pytest.raises(OSError):  # noqa: PT011 - TLS 1.3 refuses it after the handshake
            fetch(server, "/metrics", trusting(made, "other"))
        shutil.copy(made / "other.pem", authorities)
        assert fetch(server, "/metrics", trusting(made, "other"))[0] == 200
        with pytest.raises(OSError):  # noqa: PT011 - as above
            fetch(server, "/metrics", trusting(made, "client"))
