"""HTTP endpoints /metrics, /healthz and /readyz on one port, which listens on loopback unless configured otherwise.

/healthz returns 200 while the process responds and, where the server can check it, its main loop runs; otherwise
restart the process. /readyz returns 200 while all checks pass, else 503. Its body lists each check, and says what is
wrong for each that fails.

With metrics.certificate_file the port accepts only TLS. With metrics.client_ca_file only clients with a certificate may
read /metrics. The other paths need none, because a kubelet cannot present one.
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
from stripwatch.worker.monitoring.failing_checks import explain_failing
from stripwatch.worker.monitoring.health_metrics import certificate_expiry
from stripwatch.worker.monitoring.metric_groups.metric_group import WithoutCreated
from stripwatch.worker.monitoring.server_certificate import ServerCertificate, server_certificate

log = structlog.get_logger()

Checks = dict[str, bool]
_OK, _UNAVAILABLE = "200 OK", "503 Service Unavailable"
_HAS_CERTIFICATE = "stripwatch.has_certificate"
# concurrent responses to /metrics; hanging scrapes leave the other threads for probes
_SCRAPES_MAX = CONNECTIONS_MAX - 4
_REFUSED_MAX = 1000  # limit of remembered pairs of client and reason


class HealthServer:
    """HTTP server that runs on its own thread until `close`.

    checks: called for each request to /readyz, from the thread of the connection. closed: counts connections closed
    before their client received the response; see `connections_closed`. is_alive: called for /healthz, which returns
    503 if the result is False.
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
        # The page needs only `collect` and `restricted_registry` of a registry.
        self._metrics_app = make_wsgi_app(WithoutCreated(registry))
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
                return _json(start, "403 Forbidden", {"error": "client certificate required (metrics.client_ca_file)"})
            return self._answer_scrape(environ, start)
        if path == "/healthz":
            alive = self._is_alive()
            return _json(start, _OK if alive else _UNAVAILABLE, {"alive": alive})
        if path == "/readyz":
            checks = self._checks()
            ready = all(checks.values())
            body = {"ready": ready, "failing": explain_failing(checks), "checks": checks}
            return _json(start, _OK if ready else _UNAVAILABLE, body)
        return _json(start, "404 Not Found", {"paths": ["/metrics", "/healthz", "/readyz"]})

    def _answer_scrape(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if not self._scrapes.acquire(blocking=False):
            return _json(start, _UNAVAILABLE, {"error": f"too many concurrent scrapes; the limit is {_SCRAPES_MAX}"})
        try:
            answer: Iterable[bytes] = self._metrics_app(environ, start)
            return answer
        finally:
            self._scrapes.release()


def _json(start: StartResponse, status: str, body: object) -> list[bytes]:
    start(status, [("Content-Type", "application/json")])
    return [json.dumps(body).encode() + b"\n"]


class _HealthServer(BoundedServer, WSGIServer):
    """The wsgiref server with limits for clients, and with TLS if there is a certificate."""

    def __init__(self, listener: socket.socket, certificate: ServerCertificate | None) -> None:
        self.address_family = listener.family
        super().__init__(listener.getsockname(), _Quiet, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        # Like HTTPServer.server_bind, but without a DNS lookup.
        self.server_name, self.server_port = listener.getsockname()[:2]
        self.setup_environ()
        self._certificate = certificate
        self._refused: set[tuple[str, str]] = set()

    def get_request(self) -> Any:
        request, client_address = super().get_request()
        return (self._certificate.wrap(request) if self._certificate else request), client_address

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Perform the TLS handshake and handle the request.

        Runs on the connection's thread, so a client that does not finish its handshake is closed like any other.
        """
        if self._certificate is None:
            super().finish_request(request, client_address)
            return
        try:
            self._certificate.prepare_handshake(request)
            request.do_handshake()
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return  # the client disconnected, as a port check does, or the connection was closed
        except ssl.SSLError as error:
            self.count_closed("handshake")
            self._log_refused(client_address[0], _tls_fault(error))
            return
        super().finish_request(request, client_address)
        request.setblocking(False)
        with suppress(OSError):
            request.unwrap()  # sends close_notify without waiting for the client's

    def _log_refused(self, client: str, why: str) -> None:
        """Log each pair of client and reason once, because a scraper retries every few seconds.

        The counter counts " "all.
        """
        if (client, why) in self._refused:
            return
        if len(self._refused) >= _REFUSED_MAX:
            self._refused.clear()
        self._refused.add((client, why))
        log.warning("TLS handshake with a client of the health port failed", client=client, why=why)


def _tls_fault(error: ssl.SSLError) -> str:
    if error.reason == "HTTP_REQUEST":
        return "the client sent plain HTTP to an HTTPS port (metrics.certificate_file)"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"client certificate rejected (metrics.client_ca_file): {error.verify_message}"
    return openssl_reason(error)


class _Quiet(WSGIRequestHandler):
    def get_environ(self) -> dict[str, Any]:
        connection = self.connection
        has_certificate = isinstance(connection, ssl.SSLSocket) and bool(connection.getpeercert())
        return {**super().get_environ(), _HAS_CERTIFICATE: has_certificate}

    def log_message(self, format: str, *args: object) -> None:
        """Do not log requests: a line per scrape has no use."""
