"""A worker as a child process: its command line, and waiting for its readiness."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

from stripwatch.worker.bench.results_watch import scrape
from stripwatch.worker.broker.consumers import FETCH_WAIT_MS
from stripwatch.worker.common.clock import Clock
from stripwatch.worker.common.errors import BrokerUnavailableError, LineRunError
from stripwatch.worker.common.process.child_process import ChildProcess, module_command
from stripwatch.worker.config.sections import PLAIN_LOOPBACK
from stripwatch.worker.config.security import PLAINTEXT, Security

_READY_S_MAX = 60.0
_SESSION_MS = 6000  # the embedded broker makes the first member of a group wait for half of it


def worker_command(
    bundle: Path, bootstrap_servers: str, topics: Mapping[str, str], metrics_port: int, settings: Sequence[str] = ()
) -> list[str]:
    """Return the command that runs a worker in a separate consumer group. settings: KEY=VALUE each."""
    pairs = [f"topics.{kind}={topic}" for kind, topic in topics.items()]
    pairs += [f"{key}={value}" for key, value in PLAIN_LOOPBACK.items()]
    pairs += [f"session_timeout_ms={_SESSION_MS}", f"fetch_wait_ms_max={FETCH_WAIT_MS}", *settings]
    return [
        *module_command("worker"),
        *("run", "--bundle", str(bundle.resolve())),
        *("--bootstrap-servers", bootstrap_servers, "--group-id", f"tool-{uuid4().hex[:8]}"),
        *("--metrics-port", str(metrics_port), "--log-format", "json"),
        *(part for pair in pairs for part in ("--set", pair)),
    ]


def child_environment(security: Security) -> dict[str, str]:
    """Return the environment of a worker and its cameras, without security settings if we start the broker.

    Those settings are meant for an external Kafka; the embedded broker supports no security.
    """
    ours = security == PLAINTEXT
    return {name: text for name, text in os.environ.items() if not (ours and name.startswith("STRIPWATCH_SECURITY"))}


def await_ready(worker: ChildProcess, metrics_port: int, clock: Clock) -> str:
    """Wait until the worker is ready; return its provider. Raises LineRunError or BrokerUnavailableError."""
    deadline_s = clock.monotonic() + _READY_S_MAX
    while not (state := scrape(metrics_port)).get("ready"):
        if clock.stopped:
            raise LineRunError("interrupted before the worker was ready; no frame was sent")
        if worker.ended:
            raise LineRunError(f"the worker exited with code {worker.process.returncode}{worker.output_text()}")
        if clock.monotonic() > deadline_s:
            raise BrokerUnavailableError(f"the worker was not ready after {_READY_S_MAX:.0f} s{worker.output_text()}")
        clock.sleep(0.1)
    provider: str = state["provider"]
    return provider


def stop_in_order(child: ChildProcess, fine: Sequence[int] = (0,)) -> None:
    """Stop a child process. Raises LineRunError if its exit code is not one of `fine`."""
    code = child.stop()
    if code not in fine:
        raise LineRunError(f"{child.name} exited with code {code}{child.output_text()}")
