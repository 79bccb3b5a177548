"""Diagnose why a Kafka server cannot be used from this machine; kafka-python only reports a timeout."""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from stripwatch.worker.common.tls_files import openssl_reason

ANSWER_S_MAX = 2.0
_SEARCH_S_MAX = 4 * ANSWER_S_MAX  # a diagnosis takes up to three connections
_SERVERS_MAX = 20
# The first request of any client, ApiVersions 0 without a client id: size, API key, version, correlation id, no client.
_HELLO = struct.pack(">ihhih", 10, 18, 0, 0, -1)
_KAFKA_ANSWER = struct.Struct(">ii")  # size, correlation id
_ANSWER_BYTES_MAX = 100_000
_TLS_ALERT, _HTTP = b"\x15\x03", b"HTTP/"
_TLS_HINT = "it expects TLS (setting 'security.protocol')"
_PLAIN_HINT = "it speaks Kafka without TLS (setting 'security.protocol')"


def greet(server: str, context: ssl.SSLContext | None) -> bytes:
    """Send Kafka's first request, and return the first bytes of the response. Raises OSError, including ssl.SSLError.

    The response is needed because TLS 1.3 rejects a client certificate only after the handshake.
    """
    return _ask(server, _HELLO, context)


def connection_fault(server: str, context: ssl.SSLContext | None = None) -> str | None:
    """Return what is wrong with a server's name, port or certificate, or None."""
    try:
        if context is None:
            socket.create_connection(_address(server), timeout=ANSWER_S_MAX).close()
        else:
            greet(server, context)
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return None  # it may be starting or stopping
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is not trusted: {error.verify_message}"
    except ssl.SSLError as error:
        return f"TLS failed: {tls_reason(error)}"
    except (OSError, UnicodeError) as error:
        return _network_fault(server, error)
    return None


def answer_fault(server: str, context: ssl.SSLContext | None = None) -> str | None:
    """Return why a client got no response from a server, or None if the server responds like Kafka."""
    try:
        answer = greet(server, context)
    except ssl.SSLError as error:
        return _PLAIN_HINT if _speaks_kafka(server) else f"TLS failed: {tls_reason(error)}"
    except TimeoutError:
        return _silence_fault(server)
    except ConnectionResetError:
        answer = b""
    except (OSError, UnicodeError) as error:
        return _network_fault(server, error)
    if answer.startswith(_TLS_ALERT) or (not answer and context is None and _speaks_tls(server)):
        return _TLS_HINT
    if _is_kafka(answer):
        return None
    if answer.startswith(_HTTP) or _speaks_http(server):
        return "it is an HTTP server, not Kafka"
    return "it closes the connection without a response" if not answer else "it does not speak the Kafka protocol"


def faults_of(servers: Iterable[str], find: Callable[[str], str | None]) -> dict[str, str | None]:
    """Run a diagnosis for each server (at most the first 20) in parallel, within 8 s.

    Each runs on a separate thread, because a name server that does not respond would block the others.
    """
    asked = list(dict.fromkeys(servers))[:_SERVERS_MAX]
    found: dict[str, str | None] = {}

    def ask(server: str) -> None:
        found[server] = find(server)

    threads = [threading.Thread(target=ask, args=(server,), name="reachability", daemon=True) for server in asked]
    deadline_s = time.monotonic() + _SEARCH_S_MAX
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline_s - time.monotonic()))
    return {server: found.get(server, "neither the server nor a name server responds") for server in asked}


def tls_reason(error: ssl.SSLError) -> str:
    """Describe why TLS with a server failed."""
    if error.reason == "WRONG_VERSION_NUMBER":
        return "it does not speak TLS (setting 'security.protocol')"
    return openssl_reason(error)


def _address(server: str) -> tuple[str, int]:
    host, _, port = server.rpartition(":")
    return host.strip("[]"), int(port)


def _ask(server: str, request: bytes, context: ssl.SSLContext | None) -> bytes:
    host, port = _address(server)
    with socket.create_connection((host, port), timeout=ANSWER_S_MAX) as plain:
        if context is None:
            plain.sendall(request)
            return plain.recv(8)
        with context.wrap_socket(plain, server_hostname=host) as encrypted:
            encrypted.sendall(request)
            return encrypted.recv(8)


def _network_fault(server: str, error: OSError | UnicodeError) -> str:
    host, port = _address(server)
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"the host name {host!r} does not resolve on this machine"
    if isinstance(error, ConnectionRefusedError):
        return f"connection refused: nothing listens on port {port}"
    if isinstance(error, TimeoutError):
        return f"no response within {ANSWER_S_MAX:g} s: the host is down, or a firewall blocks the connection"
    return f"it cannot be reached: {getattr(error, 'strerror', None) or error}"


def _silence_fault(server: str) -> str:
    """Describe the fault of a server whose connection or first response took too long."""
    fault = connection_fault(server)
    if fault is not None:
        return fault
    if _speaks_http(server):
        return "it is an HTTP server, not Kafka"
    return f"it accepts connections but does not respond within {ANSWER_S_MAX:g} s: not Kafka, or Kafka hangs"


def _speaks_tls(server: str) -> bool:
    """Return whether a server speaks TLS. Its certificate is not verified, because only the protocol matters."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        greet(server, context)
    except ssl.SSLError as error:
        return "_ALERT_" in (error.reason or "")  # rejected with a TLS alert
    except OSError:
        return False
    return True


def _speaks_http(server: str) -> bool:
    with suppress(OSError):
        return _ask(server, b"GET / HTTP/1.0\r\n\r\n", None).startswith(_HTTP)
    return False


def _speaks_kafka(server: str) -> bool:
    with suppress(OSError, UnicodeError):
        return _is_kafka(greet(server, None))
    return False


def _is_kafka(answer: bytes) -> bool:
    """Return whether a response begins like one of Kafka: with a size, and the number 0 of the request."""
    if len(answer) < _KAFKA_ANSWER.size:
        return False
    size, correlation_id = _KAFKA_ANSWER.unpack_from(answer)
    return bool(0 < size < _ANSWER_BYTES_MAX and correlation_id == 0)
