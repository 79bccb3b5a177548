"""Diagnosis of servers that cannot be used, with real sockets."""

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stripwatch.worker.broker import reachability
from stripwatch.worker.broker.reachability import answer_fault, connection_fault, faults_of

Serve = Callable[[socket.socket], None]


@contextmanager
def server(serve: Serve) -> Iterator[str]:
    """Run a server that handles each connection with `serve`, which may raise OSError."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def handle(connection: socket.socket) -> None:
            with connection:
                try:
                    serve(connection)
                except OSError:
                    return

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def silent(connection: socket.socket) -> None:
    while connection.recv(1000):
        pass


def closes_at_once(connection: socket.socket) -> None:
    connection.recv(1000)


def kafka(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.sendall((6).to_bytes(4) + bytes(4) + b"\0\x23")


def http(connection: socket.socket) -> None:
    if connection.recv(1000).startswith(b"GET"):
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")


def http_bad_request(connection: socket.socket) -> None:
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def banner(connection: socket.socket) -> None:
    connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    silent(connection)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    pem = folder / "server.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost"
    )
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run([*command.split(), *files], check=True, capture_output=True, timeout=60)
    pem.write_bytes((folder / "key.pem").read_bytes() + (folder / "cert.pem").read_bytes())
    return pem


@pytest.fixture
def tls(certificate: Path) -> Serve:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as encrypted:
            kafka(encrypted)

    return serve


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachability, "ANSWER_S_MAX", 0.5)


@pytest.mark.parametrize(
    ("serve", "fault"),
    [
        (kafka, None),
        (closes_at_once, "it closes the connection without a response"),
        (http, "it is an HTTP server, not Kafka"),
        (http_bad_request, "it is an HTTP server, not Kafka"),
        (banner, "it does not speak the Kafka protocol"),
    ],
)
def test_recognises_other_servers(serve: Serve, fault: str | None) -> None:
    with server(serve) as address:
        assert answer_fault(address) == fault
        assert connection_fault(address) is None


@pytest.mark.usefixtures("quick")
def test_reports_a_server_that_never_responds() -> None:
    with server(silent) as address:
        assert "accepts connections but does not respond" in str(answer_fault(address))


def test_reports_a_server_that_expects_tls(tls: Serve) -> None:
    with server(tls) as address:
        assert answer_fault(address) == "it expects TLS (setting 'security.protocol')"


def test_reports_a_server_without_tls() -> None:
    context = ssl.create_default_context()
    with server(kafka) as address:
        assert answer_fault(address, context) == "it speaks Kafka without TLS (setting 'security.protocol')"
        assert "does not speak TLS (setting 'security.protocol')" in str(connection_fault(address, context))


def test_reports_a_certificate_for_another_name(tls: Serve, certificate: Path) -> None:
    with server(tls) as address:
        context = ssl.create_default_context(cafile=str(certificate))
        assert str(connection_fault(address, context)).startswith("its certificate is not trusted: IP address mismatch")
        assert connection_fault(address.replace("127.0.0.1", "localhost"), context) is None


@pytest.mark.parametrize("find", [answer_fault, connection_fault])
@pytest.mark.parametrize("host", ["kafka.plant.invalid", "kafka..plant", "a" * 70 + ".invalid"])
def test_reports_a_host_name_that_does_not_resolve(find: Callable[[str], str | None], host: str) -> None:
    assert find(f"{host}:9092") == f"the host name {host!r} does not resolve on this machine"


@pytest.mark.parametrize("find", [answer_fault, connection_fault])
def test_reports_a_port_on_which_nothing_listens(find: Callable[[str], str | None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert find(f"127.0.0.1:{port}") == f"connection refused: nothing listens on port {port}"


def test_reports_a_host_that_drops_every_packet(monkeypatch: pytest.MonkeyPatch) -> None:
    def drop(*_: object, **__: object) -> socket.socket:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", drop)
    assert "no response within" in str(connection_fault("10.255.255.1:9092"))
    assert "no response within" in str(answer_fault("10.255.255.1:9092"))


def test_a_name_server_that_hangs_does_not_delay_other_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachability, "_SEARCH_S_MAX", 0.3)
    released = threading.Event()

    def find(server: str) -> str | None:
        if server.startswith("slow"):
            released.wait(60)
        return "refused" if server == "b:1" else None

    began_s = time.monotonic()
    found = faults_of(["slow:1", "a:1", "b:1", "a:1", "slow:2"], find)
    assert time.monotonic() - began_s < 30
    released.set()
    silence = "neither the server nor a name server responds"
    assert found == {"slow:1": silence, "a:1": None, "b:1": "refused", "slow:2": silence}
