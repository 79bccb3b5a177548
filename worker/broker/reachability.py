"""Why a Kafka server cannot be used from this machine, in a few words: kafka-python only says that time is up."""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from stripwatch.worker.common.tls_files import openssl_reason

ANSWER_S_MAX = 2.0
_SEARCH_S_MAX = 4 * ANSWER_S_MAX  # a search asks up to three times
_SERVERS_MAX = 20
# The first request of any client, ApiVersions 0 without a client id: size, API key, version, correlation id, no client.
_HELLO = struct.pack(">ihhih", 10, 18, 0, 0, -1)
_KAFKA_ANSWER = struct.Struct(">ii")  # size, correlation id
_ANSWER_BYTES_MAX = 100_000
_TLS_ALERT, _HTTP = b"\x15\x03", b"HTTP/"
_TLS_HINT = "it expects TLS (setting 'security.protocol')"
_PLAIN_HINT = "it speaks Kafka without TLS (setting 'security.protocol')"


def greet(server: str, context: ssl.SSLContext | None) -> bytes:
    """The first bytes of the server's answer to Kafka's first request. Raises OSError, ssl.SSLError among them.

    The answer matters: TLS 1.3 refuses our certificate only after the handshake.
    """
    return _ask(server, _HELLO, context)


def connection_fault(server: str, context: ssl.SSLContext | None = None) -> str | None:
    """What is wrong with a server's name, port or certificate, or None."""
    try:
        if context is None:
            socket.create_connection(_address(server), timeout=ANSWER_S_MAX).close()
        else:
            greet(server, context)
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return None  # it may be starting or stopping
    except ssl.SSLCertVerificationError as error:
        return f"its certificate is refused: {error.verify_message}"
    except ssl.SSLError as error:
        return f"TLS failed: {tls_reason(error)}"
    except (OSError, UnicodeError) as error:
        return _network_fault(server, error)
    return None


def answer_fault(server: str, context: ssl.SSLContext | None = None) -> str | None:
    """What is wrong with a server that a client got no answer from, or None where it answers as Kafka does."""
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
        return "an HTTP server listens there, not Kafka"
    return "it closes the connection without an answer" if not answer else "what listens there does not speak Kafka"


def faults_of(servers: Iterable[str], find: Callable[[str], str | None]) -> dict[str, str | None]:
    """What `find` says of each server (of many: the first 20), all asked at once, within 8 s.

    A name server that does not answer would hold up whoever asks it, so each is asked on a thread of its own.
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
    return {server: found.get(server, "nothing answers: neither it nor a name server") for server in asked}


def tls_reason(error: ssl.SSLError) -> str:
    """Why TLS with a server failed."""
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
        return f"the connection is refused: nothing listens on port {port}"
    if isinstance(error, TimeoutError):
        return f"nothing answers within {ANSWER_S_MAX:g} s: the host is down, or a firewall is between"
    return f"it cannot be reached: {getattr(error, 'strerror', None) or error}"


def _silence_fault(server: str) -> str:
    """The connection, or the answer to the first request, took too long."""
    fault = connection_fault(server)
    if fault is not None:
        return fault
    if _speaks_http(server):
        return "an HTTP server listens there, not Kafka"
    return f"it accepts connections but does not answer within {ANSWER_S_MAX:g} s: not Kafka, or Kafka is stuck"


def _speaks_tls(server: str) -> bool:
    """Whatever its certificate says: this only asks for the protocol."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        greet(server, context)
    except ssl.SSLError as error:
        return "_ALERT_" in (error.reason or "")  # it refuses us in the words of TLS
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
    """The answer has a size, and names the request, which had the number 0."""
    if len(answer) < _KAFKA_ANSWER.size:
        return False
    size, correlation_id = _KAFKA_ANSWER.unpack_from(answer)
    return bool(0 < size < _ANSWER_BYTES_MAX and correlation_id == 0)
