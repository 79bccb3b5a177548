"""Sends source images to Kafka from start to end; shared by `simulate` and `replay`."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stripwatch.worker.broker.connection import ClientConfig
from stripwatch.worker.broker.producers import open_frame_producer
from stripwatch.worker.common.clock import SystemClock
from stripwatch.worker.common.signals import stop_on_signal
from stripwatch.worker.common.terminal.console import new_progress
from stripwatch.worker.common.terminal.file_counts import FileCounts, with_counts
from stripwatch.worker.common.terminal.outcome import Outcome, command_text
from stripwatch.worker.simulator.cameras import CapturedFrame, SimulatedLine, SourceImage, play
from stripwatch.worker.simulator.frame_sender import FrameSender, open_sent_file


def play_on_kafka(
    shots: Iterable[SourceImage],
    line: SimulatedLine,
    *,
    client: ClientConfig,
    topic: str,
    seconds_max: float,
    frames_total: int | None,
    sent_path: Path | None,
) -> dict[str, Any]:
    """Send every image and wait for the acknowledgements. SIGTERM and SIGINT stop it early and cleanly.

    seconds_max: 0 sets no limit. Returns the summary of the run. Raises BrokerUnavailableError if a frame was not
    acknowledged.
    """
    clock = SystemClock()
    with (
        stop_on_signal(clock.stop),
        open_frame_producer(client, topic) as producer,
        open_sent_file(sent_path) as sent_file,
    ):
        sender = FrameSender(producer, topic, sent_file)
        started_s = clock.monotonic()
        with _counted(sender, frames_total) as send:
            play(shots, line, send, clock, seconds_max or math.inf)
        sender.finish()
        seconds = clock.monotonic() - started_s
    return {
        "frames_sent": sender.frames_acknowledged,
        "bytes_sent": sender.bytes_acknowledged,
        "seconds": round(seconds, 3),
        "frames_per_second": round(sender.frames_acknowledged / seconds, 1) if seconds else 0.0,
        "cameras": line.cameras,
        "topic": topic,
    }


def sent_outcome(
    summary: dict[str, Any], servers: str, config: Path | None, sent: Path | None, counts: FileCounts | None = None
) -> Outcome:
    """Return the result of a command that sent frames; the next step reports their coils. counts: of the files sent."""
    secured: list[str | Path] = ["--config", config] if config else []
    step = command_text("report", "--bootstrap-servers", servers, *secured)
    files = {"sent frames": sent} if sent else {}
    return Outcome(*with_counts(summary, counts), next_steps=[step], files=files)


@contextmanager
def _counted(sender: FrameSender, frames_total: int | None) -> Iterator[Callable[[CapturedFrame], None]]:
    """Wrap the sender with a progress bar."""
    with new_progress() as progress:
        bar = progress.add_task("sending", total=frames_total)

        def send(captured: CapturedFrame) -> None:
            sender.send(captured)
            progress.advance(bar)

        yield send
