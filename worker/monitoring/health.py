"""/metrics, /healthz and /readyz, on one port that listens on loopback unless configured otherwise.

healthz: the process answers, and its main loop runs where the server can tell; restart it otherwise. readyz: 200 only
while every check holds, else 503; the body names each check, so that an operator sees which one does not.

With metrics.certificate_file it speaks TLS alone. With metrics.client_ca_file only a client with a certificate may
read /metrics. The others need no certificate, since a kubelet has none to show.
"""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIEnvironment

import structlog
from prometheus_client import CollectorRegistry, Counter, make_wsgi_app

from stripwatch.worker.common.listener import open_listener
from stripwatch.worker.common.tls_files import openssl_reason
from stripwatch.worker.config.sections import MetricsSettings
from stripwatch.worker.monitoring.bounded_server import CONNECTIONS_MAX, BoundedServer
from stripwatch.worker.monitoring.metrics import certificate_expiry
from stripwatch.worker.monitoring.server_certificate import ServerCertificate, server_certificate

log = structlog.get_logger()

Checks = dict[str, bool]
_OK, _UNAVAILABLE = "200 OK", "503 Service Unavailable"
_HAS_CERTIFICATE = "stripwatch.has_certificate"
_SCRAPES_MAX = CONNECTIONS_MAX - 4  # threads that may answer /metrics, so that scrapes that hang leave some for probes
_REFUSED_MAX = 1000  # pairs of client and reason that are remembered


class HealthServer:
    """Serves until closed. checks: asked at every request, from the server's thread.

    closed: counts the connections that are closed before their clients had an answer; see connections_closed.
    is_alive: asked for /healthz, which is 503 when it is false.
    """

    def __init__(
        self,
        settings: MetricsSettings,
        registry: CollectorRegistry,
        checks: Callable[[], Checks],
        closed: Counter | None = None,
        is_alive: Callable[[], bool] = lambda: True,
    ) -> None:
        self._checks = checks
        self._is_alive = is_alive
        self._metrics_app = make_wsgi_app(registry)
        self._scrapes = threading.Semaphore(_SCRAPES_MAX)
        self._needs_client_certificate = settings.client_ca_file is not None
        certificate = server_certificate(settings)
        if certificate is not None:
            certificate_expiry(registry).set_function(lambda: certificate.expires_s)
        named = f"metrics.host = {settings.host!r}, metrics.port = {settings.port}"
        listener = open_listener(settings.host, settings.port, CONNECTIONS_MAX, named)
        self._server = _HealthServer(listener, certificate)
        self._server.set_app(self._answer)
        if closed is not None:
            self._server.count_closed = lambda reason: closed.labels(reason).inc()
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return self._server.server_port

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if path == "/metrics":
            if self._needs_client_certificate and not environ[_HAS_CERTIFICATE]:
                return _json(
                    start, "403 Forbidden", {"error": "a client certificate is needed (metrics.client_ca_file)"}
                )
            return self._answer_scrape(environ, start)
        if path == "/healthz":
            alive = self._is_alive()
            return _json(start, _OK if alive else _UNAVAILABLE, {"alive": alive})
        if path == "/readyz":
            checks = self._checks()
            ready = all(checks.values())
            return _json(start, _OK if ready else _UNAVAILABLE, {"ready": ready, "checks": checks})
        return _json(start, "404 Not Found", {"paths": ["/metrics", "/healthz", "/readyz"]})

    def _answer_scrape(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if not self._scrapes.acquire(blocking=False):
            return _json(start, _UNAVAILABLE, {"error": f"{_SCRAPES_MAX} scrapes are being answered"})
        try:
            answer: Iterable[bytes] = self._metrics_app(environ, start)
            return answer
        finally:
            self._scrapes.release()


def _json(start: StartResponse, status: str, body: object) -> list[bytes]:
    start(status, [("Content-Type", "application/json")])
    return [json.dumps(body).encode() + b"\n"]


class _HealthServer(BoundedServer, WSGIServer):
    """The request handler of wsgiref, with bounds on what clients can hold, and TLS where there is a certificate."""

    def __init__(self, listener: socket.socket, certificate: ServerCertificate | None) -> None:
        self.address_family = listener.family
        super().__init__(listener.getsockname(), _Quiet, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        # As HTTPServer does, without asking a name server.
        self.server_name, self.server_port = listener.getsockname()[:2]
        self.setup_environ()
        self._certificate = certificate
        self._refused: set[tuple[str, str]] = set()

    def get_request(self) -> Any:
        request, client_address = super().get_request()
        return (self._certificate.wrap(request) if self._certificate else request), client_address

    def finish_request(self, request: Any, client_address: Any) -> None:
        """On the connection's thread, so a client that does not finish its handshake is closed as any other."""
        if self._certificate is None:
            super().finish_request(request, client_address)
            return
        try:
            self._certificate.prepare_handshake(request)
            request.do_handshake()
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return  # it left, as a port check does, or it was closed
        except ssl.SSLError as error:
            self.count_closed("handshake")
            self._log_refused(client_address[0], _tls_fault(error))
            return
        super().finish_request(request, client_address)
        request.setblocking(False)
        with suppress(OSError):
            request.unwrap()  # says that the answer ends here, and does not wait for the client to say so

    def _log_refused(self, client: str, why: str) -> None:
        """Once for each client and reason: a scraper comes back every few seconds. The counter has the rest."""
        if (client, why) in self._refused:
            return
        if len(self._refused) >= _REFUSED_MAX:
            self._refused.clear()
        self._refused.add((client, why))
        log.warning("TLS with a client of the health port failed", client=client, why=why)


def _tls_fault(error: ssl.SSLError) -> str:
    if error.reason == "HTTP_REQUEST":
        return "the client sent plain HTTP to an HTTPS port (metrics.certificate_file)"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused (metrics.client_ca_file): {error.verify_message}"
    return openssl_reason(error)


class _Quiet(WSGIRequestHandler):
    def get_environ(self) -> dict[str, Any]:
        connection = self.connection
        has_certificate = isinstance(connection, ssl.SSLSocket) and bool(connection.getpeercert())
        return {**super().get_environ(), _HAS_CERTIFICATE: has_certificate}

    def log_message(self, format: str, *args: object) -> None:
        """A line for each scrape helps nobody."""
