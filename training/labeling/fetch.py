"""Fetching of review frames from Kafka."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stripwatch.training.labeling.collect import Collector
from stripwatch.worker.broker.connection import ClientConfig
from stripwatch.worker.broker.topic_drain import open_drain
from stripwatch.worker.common.clock import SystemClock
from stripwatch.worker.common.path_text import path_text
from stripwatch.worker.common.signals import stop_on_signal
from stripwatch.worker.common.terminal.console import say


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """What to fetch. The last three are the arguments of Collector."""

    client: ClientConfig
    topic: str
    frames_max: int
    no_defect: str
    only_novel: bool


def fetch(out: Path, settings: FetchSettings) -> dict[str, Any]:
    """Fetch new frames into a folder until the topic ends or a signal arrives. Returns a summary."""
    clock, collector = SystemClock(), Collector(out, settings.frames_max, settings.no_defect, settings.only_novel)
    with (
        stop_on_signal(clock.stop),
        open_drain(settings.client, settings.topic, "collecting", lambda: clock.stopped) as records,
    ):
        collector.collect(records)
    if collector.full:
        say(f"stopped at --frames-max {settings.frames_max}; run the same command again to continue")
    return collector.summary() | {"topic": settings.topic}


def fetch_advice(out: Path, found: Mapping[str, Any]) -> dict[str, str]:
    """Return what a person should do with the fetched frames, for the table of the command."""
    advice = {"then": f"check the frames in {path_text(out / '_unsorted')}: move wrong ones to the right folder"}
    if found["novel"]:
        advice["novel frames"] = (
            f"sort those in {path_text(out / '_unsorted' / '_novel')}; for a new kind of defect, create a folder "
            "with its name and add --new-labels to the next command"
        )
    return advice
