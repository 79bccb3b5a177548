"""`stripwatch demo`: a whole line on one machine, shown live and verified against the true labels at the end."""

import importlib.resources
import importlib.util
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from stripwatch.worker.bench.embedded_broker import Broker, embedded_broker
from stripwatch.worker.bench.results_tally import ResultsTally, read_sent, summary
from stripwatch.worker.bench.results_watch import LiveScreen, consume_into
from stripwatch.worker.bench.worker_process import await_ready, child_environment, stop_in_order, worker_command
from stripwatch.worker.broker.admin import temporary_topics
from stripwatch.worker.broker.connection import ClientConfig
from stripwatch.worker.broker.consumers import FETCH_WAIT_MS, open_reader, read_from_beginning
from stripwatch.worker.common.clock import SystemClock
from stripwatch.worker.common.errors import InputError, LineRunError
from stripwatch.worker.common.process.child_process import module_command, running_process
from stripwatch.worker.common.process.ports import free_port, is_free
from stripwatch.worker.common.signals import stop_on_signal
from stripwatch.worker.common.terminal.console import print_summary, say
from stripwatch.worker.common.terminal.file_counts import with_counts
from stripwatch.worker.config.command_line.cli_options import BrokerAddress, BundleFile, SecurityConfig, security_of
from stripwatch.worker.config.security import PLAINTEXT, Security
from stripwatch.worker.model.bundle import Bundle
from stripwatch.worker.model.loading.bundle_store import load_resolved, resolve_bundle
from stripwatch.worker.simulator.replay import find_images

DEMO_BUNDLE = Path(str(importlib.resources.files("stripwatch.worker.bench") / "strip-mobilenet.onnx"))
CORRECT_RATIO_MIN = 0.9
_CAMERAS, _RATE_FPS = 4, 25
_PARTITIONS = 3
_MM_PER_PX = 1.0  # makes each frame end where the next one begins
_VIEW_PORT = 8800
_SEED = 20_260_001  # differs from the seed of the demo bundle's training data
_CATCH_UP_S_MAX = 60.0


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """The parameters of a demo run."""

    bundle: Bundle
    frames: Path | None
    broker: str
    topics: dict[str, str]
    seconds: float
    sent: Path
    metrics_port: int
    config: Path | None
    security: Security

    @property
    def defect_labels(self) -> list[str]:
        return [label for label in self.bundle.manifest.labels if label != self.bundle.manifest.clean_label]

    def worker_command(self) -> list[str]:
        settings = [f"cameras.top-{number + 1}.mm_per_px={_MM_PER_PX}" for number in range(_CAMERAS)]
        settings += ["evidence.enabled=true", "evidence.per_minute_max=600", "review.enabled=true"]
        command = worker_command(self.bundle.path, self.broker, self.topics, self.metrics_port, settings)
        return [*command, *self._config()]

    def view_command(self, port: int) -> list[str]:
        topics = [part for kind, topic in self.topics.items() for part in ("--set", f"topics.{kind}={topic}")]
        return [
            *module_command("worker"),
            *("view", "--bootstrap-servers", self.broker, "--port", str(port)),
            *("--set", "log.format=json", *topics, *self._config()),
        ]

    def camera_command(self) -> list[str]:
        what = (
            ["simulate", "--seed", str(_SEED)]
            if self.frames is None
            else ["replay", str(self.frames.resolve()), "--loop"]
        )
        return [
            *module_command("worker"),
            *(*what, "--bootstrap-servers", self.broker),
            *("--topic", self.topics["frames"], "--cameras", str(_CAMERAS), "--rate", str(_RATE_FPS)),
            *("--seconds", str(self.seconds), "--sent", str(self.sent), *self._config()),
        ]

    def environment(self) -> dict[str, str]:
        return child_environment(self.security)

    def _config(self) -> list[str]:
        return ["--config", str(self.config.resolve())] if self.config else []


def demo(
    seconds: Annotated[float, typer.Option(min=1, help="Duration of the demo in seconds.")] = 600.0,
    frames: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Play the images in this folder in a loop.")
    ] = None,
    bundle: BundleFile = DEMO_BUNDLE,
    broker: BrokerAddress = "",
    config: SecurityConfig = None,
) -> None:
    """Run cameras, Kafka and a worker on this machine, show the results live, and verify every frame at the end.

    Without --frames the strip is simulated, and the true labels are known. The last line on stdout is JSON. The exit
    code is 9 unless results and rejects add up to the frames sent and, if the true labels are known, 90 % of the labels
    are correct.

    Example: stripwatch demo --seconds 30
    """
    if bundle == DEMO_BUNDLE and not bundle.exists():
        raise InputError(f"the demo bundle {DEMO_BUNDLE} does not exist; pass a model file with --bundle FILE")
    loaded = load_resolved(resolve_bundle(bundle))
    counts = None if frames is None else find_images(frames).counts()
    security = security_of(config) if broker else PLAINTEXT
    prefix = f"demo-{uuid4().hex[:8]}." if broker else ""  # an external Kafka may serve a real line
    with (
        nullcontext(Broker(broker, "")) if broker else embedded_broker() as kafka,
        tempfile.TemporaryDirectory(prefix="stripwatch-demo-") as folder,
        temporary_topics(ClientConfig(kafka.bootstrap_servers, security), prefix, _PARTITIONS) as topics,
    ):
        plan = DemoPlan(
            *(loaded, frames, kafka.bootstrap_servers, topics, seconds, Path(folder, "sent.jsonl"), free_port()),
            config if broker else None,
            security,
        )
        _verify(with_counts(_run(plan), counts)[0])


def _run(plan: DemoPlan) -> dict[str, Any]:
    """Start the worker, then the cameras; count results until the cameras end; stop both. Return the summary."""
    tally, clock = ResultsTally(), SystemClock()
    with stop_on_signal(clock.stop), running_process("the worker", plan.worker_command(), plan.environment()) as worker:
        # Printed only now: from here on a signal shuts the demo down cleanly.
        say(f"starting the worker with {plan.bundle.path.name} on Kafka at {plan.broker}")
        provider = await_ready(worker, plan.metrics_port, clock)
        with (
            _live_page(plan),
            running_process("the cameras", plan.camera_command(), plan.environment()) as cameras,
            open_reader(ClientConfig(plan.broker, plan.security), fetch_wait_ms=FETCH_WAIT_MS) as reader,
            LiveScreen(tally, plan.defect_labels, plan.seconds, plan.metrics_port) as screen,
        ):
            read_from_beginning(reader, [plan.topics["results"], plan.topics["rejects"]])
            while not (clock.stopped or cameras.ended or worker.ended):
                consume_into(tally, reader, plan.topics["results"])
                screen.show()
            # Cameras that are stopped before they installed their signal handler are killed by the signal. They have
            # sent nothing yet.
            stop_in_order(cameras, fine=(0, -signal.SIGTERM) if clock.stopped else (0,))
            sent = read_sent(plan.sent)
            deadline_s = time.monotonic() + _CATCH_UP_S_MAX
            while tally.results + tally.rejects < len(sent) and not worker.ended and time.monotonic() < deadline_s:
                consume_into(tally, reader, plan.topics["results"])
                screen.show()
        stop_in_order(worker)
    return summary(sent, tally, plan.bundle.manifest.labels, provider)


@contextmanager
def _live_page(plan: DemoPlan) -> Iterator[None]:
    """Serve the live page if its extra is installed. A failure of the page does not affect the demo."""
    if not all(map(importlib.util.find_spec, ("starlette", "uvicorn"))):
        say("no live page: starlette or uvicorn is not installed; run: pip install starlette tzdata uvicorn")
        yield
        return
    port = _VIEW_PORT if is_free(_VIEW_PORT) else free_port()
    with running_process("the live page", plan.view_command(port), plan.environment()) as page:
        say(f"serving the live page at http://127.0.0.1:{port}/")
        yield
        if page.ended:
            say(f"the live page exited with code {page.process.returncode}{page.output_text()}")


def _verify(found: dict[str, Any]) -> None:
    """Print the summary. Raises LineRunError if a frame is missing or repeated, or too many labels are wrong."""
    repeats = found.pop("repeats")
    print_summary(found)
    if repeats:
        raise LineRunError(f"{repeats} frames have more than one result or reject")
    if found["results"] + found["rejects"] != found["frames_sent"]:
        raise LineRunError(
            "{frames_sent} frames were sent, but {results} results and {rejects} rejects arrived".format(**found)
        )
    ratio = found["correct_ratio"]
    if ratio is not None and ratio < CORRECT_RATIO_MIN:
        raise LineRunError(f"label accuracy {ratio:.1%} is below the required {CORRECT_RATIO_MIN:.0%}")
