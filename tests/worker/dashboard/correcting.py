"""Frames on a broker, with results as a worker publishes them, for people to correct."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from stripwatch.worker.broker.consumers import cluster_id
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.events import Box, ModelInfo, Result, TimingMs, UnsureReason
from stripwatch.worker.contracts.frame import Frame, read_record
from stripwatch.worker.contracts.positions import Position, Record
from stripwatch.worker.dashboard.reading.frame_fetcher import FrameFetcher
from stripwatch.worker.dashboard.state.history import History
from stripwatch.worker.dashboard.writing.corrector import Corrector
from stripwatch.worker.dashboard.writing.page_producer import PageProducer
from stripwatch.worker.model.inspection import DetectedDefect, Inspection
from stripwatch.worker.monitoring.view_metrics import ViewMetrics
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from tests.e2e.line import Line
from tests.tiny import encode_frame

TOKEN = "token-of-ada-1234"
MODEL = ModelInfo("neu", "3", "f" * 64, "bundle", "CPUExecutionProvider", "clean")
HEADERS = [
    ("ce_subject", b"C1"),
    ("ce_source", b"/plant/line-1/top-1"),
    ("ce_strippositionmm", b"400"),
    ("x", b"\xff\x00"),
]


@dataclass(frozen=True)
class Inspected:
    """A frame on Kafka and the result of the worker."""

    frame: Frame
    result: Result


def send_frames(line: Line, count: int, model: ModelInfo = MODEL) -> list[Inspected]:
    """Send frames with a defect, and return them with their results."""
    made = []
    with line.broker.producer() as producer, line.broker.consumer() as consumer:
        consumer.topics()
        cluster = cluster_id(consumer)
        for number in range(count):
            encoded = encode_frame(0.5, seed=number)
            sent = producer.send(
                line.topics["frames"], encoded, key=b"top-1", headers=HEADERS, timestamp_ms=now_ms()
            ).get(30)
            position = Position(sent.topic, sent.partition, sent.offset)
            made.append(inspected(Record(position, sent.timestamp, b"top-1", encoded, HEADERS), cluster, model))
    return made


def inspected(record: Record, cluster: str, model: ModelInfo = MODEL) -> Inspected:
    frame = read_record(record, cluster, received_s=0.0)
    defect = DetectedDefect("pits", 0.9, Box(2, 2, 8, 8))
    inspection = Inspection("defect", "pits", 0.9, {"clean": 0.1, "pits": 0.9, "scratches": 0.2}, (defect,), 48, 32, ())
    return Inspected(frame, EventBuilder({}).inspected(frame, model, inspection, TimingMs(1, 1, 1, 3)))


def as_novel(made: Inspected, label: str = "pits") -> Inspected:
    """Return the same frame with the result of a model that was not trained on it. label: the class most like it."""
    model = msgspec.structs.replace(made.result.model, novelty_threshold=4.0)
    changes = {"verdict": "unsure", "label": label, "defects": [], "reason": UnsureReason.NOVEL, "novelty": 9.5}
    return Inspected(made.frame, msgspec.structs.replace(made.result, model=model, **changes))


def now_ms() -> int:
    return round(time.time() * 1000)


def publish_results(line: Line, made: Sequence[Inspected]) -> None:
    with line.broker.producer() as producer:
        for each in made:
            producer.send(line.topics["results"], msgspec.json.encode(each.result), key=b"top-1").get(30)


def settings_for(line: Line, **more: Any) -> Settings:
    return load_settings(None, {"bootstrap_servers": line.broker.bootstrap_servers, "topics": line.topics} | more)


def history_of(made: Sequence[Inspected]) -> History:
    history = History()
    for each in made:
        history.add_result(msgspec.json.encode(each.result), now_ms(), 0.0, live=True)
    return history


@contextmanager
def corrector_on(settings: Settings, history: History, metrics: ViewMetrics | None = None) -> Iterator[Corrector]:
    frames, producer = FrameFetcher(settings), PageProducer(settings, settings.frames.bytes_max)
    try:
        yield Corrector(settings, history, frames.frame, producer, metrics or ViewMetrics(CollectorRegistry()))
    finally:
        frames.close()
        producer.close()


def token_file(folder: Path, text: str = f"Ada:{TOKEN}") -> Path:
    path = folder / "tokens"
    path.write_text(text)
    path.chmod(0o600)
    return path
