"""`stripwatch demo`: the whole line on one machine, shown live, and held against the truth at its end."""

import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from worker import topics as names
from worker.bundle import Bundle, read_bundle
from worker.console import print_summary, say
from worker.errors import BrokerLost, DemoFailed, InputError
from worker.images import list_images
from worker.tools.broker import Broker, embedded_broker, free_port
from worker.tools.child import Child, running_child
from worker.tools.clock import SystemClock
from worker.tools.connect import open_admin
from worker.tools.tally import Tally, read_sent, summary
from worker.tools.topics import create_topics, plan_topics
from worker.tools.watch import FETCH_WAIT_MS, Screen, open_reader, read_into, scrape

DEMO_BUNDLE = Path(__file__).parents[2] / "deploy" / "demo" / "strip-mobilenet.onnx"
CORRECT_RATIO_MIN = 0.9
_CAMERAS, _RATE_FPS = 4, 25
_SEED = 20_260_001  # the demo bundle was trained on another one
_READY_S_MAX, _CATCH_UP_S_MAX = 60.0, 60.0
_SESSION_MS = 6000  # the embedded broker lets the first member of a group wait for half of it


@dataclass(frozen=True, slots=True)
class Plan:
    """What is played, through which bundle, on which topics of which broker."""

    bundle: Bundle
    frames: Path | None
    broker: str
    topics: dict[str, str]
    seconds: float
    sent: Path
    metrics_url: str
    metrics_port: int

    @property
    def defect_labels(self) -> list[str]:
        return [label for label in self.bundle.contract.labels if label != self.bundle.contract.clean_label]

    def worker_command(self) -> list[str]:
        topics = [part for kind, topic in self.topics.items() for part in ("--set", f"topics.{kind}={topic}")]
        return [
            *(sys.executable, "-m", "worker", "run", "--bundle", str(self.bundle.path.resolve())),
            *("--bootstrap-servers", self.broker, "--group-id", f"demo-{uuid4().hex[:8]}"),
            *("--metrics-port", str(self.metrics_port), "--log-format", "json"),
            *(*topics, "--set", f"session_timeout_ms={_SESSION_MS}", "--set", f"fetch_wait_ms_max={FETCH_WAIT_MS}"),
        ]

    def camera_command(self) -> list[str]:
        what = (
            ["simulate", "--seed", str(_SEED)]
            if self.frames is None
            else ["replay", str(self.frames.resolve()), "--loop"]
        )
        return [
            *(sys.executable, "-m", "worker", *what, "--bootstrap-servers", self.broker),
            *("--topic", self.topics["frames"], "--cameras", str(_CAMERAS), "--rate", str(_RATE_FPS)),
            *("--seconds", str(self.seconds), "--sent", str(self.sent)),
        ]


def demo(
    seconds: Annotated[float, typer.Option(min=1, help="Stop after so long.")] = 600.0,
    frames: Annotated[Path | None, typer.Option(metavar="DIR", help="Play these images, over and over.")] = None,
    bundle: Annotated[Path, typer.Option(help="The model file to run.")] = DEMO_BUNDLE,
    broker: Annotated[str, typer.Option(help="A Kafka that is there, host:port; else one is started.")] = "",
) -> None:
    """Run cameras, Kafka and a worker on this machine, show them live, and check every frame at the end.

    Without --frames the strip is simulated, and its truth is known. The last line on stdout is JSON. Exit code 9 unless
    results and rejects add up to the frames sent and, where the truth is known, 90 % of the labels are right.

    Example: make demo SECONDS=30
    """
    if bundle == DEMO_BUNDLE and not bundle.exists():
        raise InputError(f"there is no demo bundle {DEMO_BUNDLE}; name a model file with BUNDLE=FILE")
    loaded = read_bundle(bundle)
    if frames is not None:
        list_images(frames)
    prefix = f"demo-{uuid4().hex[:8]}." if broker else ""  # somebody else's Kafka may have a real line on it
    with (
        nullcontext(Broker(broker, "")) if broker else embedded_broker() as kafka,
        tempfile.TemporaryDirectory(prefix="stripwatch-demo-") as folder,
        _own_topics(kafka.bootstrap_servers, prefix) as topics,
    ):
        port = free_port()
        url = f"http://127.0.0.1:{port}/metrics"
        plan = Plan(loaded, frames, kafka.bootstrap_servers, topics, seconds, Path(folder, "sent.jsonl"), url, port)
        _judge(_run(plan))


@contextmanager
def _own_topics(bootstrap_servers: str, prefix: str) -> Iterator[dict[str, str]]:
    """The topics, made anew; those with a prefix are removed at the end."""
    plans = [replace(plan, name=prefix + plan.name) for plan in plan_topics(3, 1, 1, 16_777_216)]
    with open_admin(bootstrap_servers) as admin:
        create_topics(admin, plans)
    try:
        kinds = {"frames": names.FRAMES, "results": names.RESULTS, "defects": names.DEFECTS, "rejects": names.REJECTS}
        yield {kind: prefix + name for kind, name in kinds.items()}
    finally:
        if prefix:
            with open_admin(bootstrap_servers) as admin:
                admin.delete_topics([plan.name for plan in plans])


def _run(plan: Plan) -> dict[str, Any]:
    """Start the worker, then the cameras; watch until they end; stop both; the summary."""
    tally, clock = Tally(), SystemClock()
    with clock.stopped_by_signals(), running_child("the worker", plan.worker_command()) as worker:
        # said only now: from this line on a signal ends the demo in order
        say(f"starting the worker with {plan.bundle.path.name} on Kafka at {plan.broker}")
        provider = _await_ready(worker, plan, clock)
        with (
            running_child("the cameras", plan.camera_command()) as cameras,
            open_reader(plan.broker, [plan.topics["results"], plan.topics["rejects"]]) as reader,
            Screen(tally, plan.defect_labels, plan.seconds, plan.metrics_url) as screen,
        ):
            while not (clock.stopped or cameras.ended or worker.ended):
                read_into(tally, reader, plan.topics["results"])
                screen.show()
            # stopped before they were set up, they end by the signal itself, and have sent nothing
            _end_well(cameras, fine=(0, -signal.SIGTERM) if clock.stopped else (0,))
            sent = read_sent(plan.sent)
            deadline_s = time.monotonic() + _CATCH_UP_S_MAX
            while tally.results + tally.rejects < len(sent) and not worker.ended and time.monotonic() < deadline_s:
                read_into(tally, reader, plan.topics["results"])
                screen.show()
        _end_well(worker)
    return summary(sent, tally, plan.bundle.contract.labels, provider)


def _await_ready(worker: Child, plan: Plan, clock: SystemClock) -> str:
    """Until the worker says that it is ready; the provider it runs on."""
    deadline_s = clock.monotonic() + _READY_S_MAX
    while not (state := scrape(plan.metrics_url)).get("ready"):
        if clock.stopped:
            raise DemoFailed("stopped before the worker was ready; no frame was sent")
        if worker.ended:
            raise DemoFailed(f"the worker ended with code {worker.process.returncode}{worker.said()}")
        if clock.monotonic() > deadline_s:
            raise BrokerLost(f"the worker was not ready after {_READY_S_MAX:.0f} s{worker.said()}")
        clock.sleep(0.1)
    provider: str = state["provider"]
    return provider


def _end_well(child: Child, fine: tuple[int, ...] = (0,)) -> None:
    """Stop a child, and say so if it did not end in order."""
    code = child.stop()
    if code not in fine:
        raise DemoFailed(f"{child.name} ended with code {code}{child.said()}")


def _judge(found: dict[str, Any]) -> None:
    """Print the summary, and fail unless every frame is accounted for and nearly all labels are right."""
    repeats = found.pop("repeats")
    print_summary(found)
    if repeats:
        raise DemoFailed(f"{repeats} frames have more than one result or reject")
    if found["results"] + found["rejects"] != found["frames_sent"]:
        raise DemoFailed("{frames_sent} frames sent, but {results} results and {rejects} rejects came".format(**found))
    ratio = found["correct_ratio"]
    if ratio is not None and ratio < CORRECT_RATIO_MIN:
        raise DemoFailed(f"only {ratio:.1%} of the labels are right; {CORRECT_RATIO_MIN:.0%} is the least")
