"""/metrics, /healthz and /readyz, on one port that listens on loopback unless configured otherwise.

healthz: the process answers, and its main loop runs where the server can tell; restart it otherwise. readyz: 200 only
while every check holds, else 503; the body names each check, so that an operator sees which one does not.
"""

import json
import threading
from collections.abc import Callable, Iterable
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CollectorRegistry, Counter, make_wsgi_app

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.config.sections import MetricsSettings
from stripwatch.worker.monitoring.bounded_server import BoundedServer

Checks = dict[str, bool]
_OK, _UNAVAILABLE = "200 OK", "503 Service Unavailable"


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
        try:
            self._server = make_server(
                settings.host, settings.port, self._answer, server_class=_HealthServer, handler_class=_Quiet
            )
        except (OSError, OverflowError) as error:
            raise SettingsError(
                f"cannot listen on metrics.host = {settings.host!r}, metrics.port = {settings.port}: {error}. "
                "Is another worker there?"
            ) from error
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
            answer: Iterable[bytes] = self._metrics_app(environ, start)
            return answer
        if path == "/healthz":
            alive = self._is_alive()
            return _json(start, _OK if alive else _UNAVAILABLE, {"alive": alive})
        if path == "/readyz":
            checks = self._checks()
            ready = all(checks.values())
            return _json(start, _OK if ready else _UNAVAILABLE, {"ready": ready, "checks": checks})
        return _json(start, "404 Not Found", {"paths": ["/metrics", "/healthz", "/readyz"]})


def _json(start: StartResponse, status: str, body: object) -> list[bytes]:
    start(status, [("Content-Type", "application/json")])
    return [json.dumps(body).encode() + b"\n"]


class _HealthServer(BoundedServer, WSGIServer):
    """The request handler of wsgiref, with bounds on what clients can hold."""


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """A line for each scrape helps nobody."""
