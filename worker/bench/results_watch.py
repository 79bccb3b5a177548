"""Reads the worker's results into a tally, and shows them live together with its metrics."""

import time
from typing import Any

import msgspec
from kafka import KafkaConsumer
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from rich.live import Live

from stripwatch.worker.bench.live_table import Snapshot, draw_table, status_line
from stripwatch.worker.bench.results_tally import ResultsTally
from stripwatch.worker.broker.consumers import from_kafka
from stripwatch.worker.common.terminal.console import STDERR, say
from stripwatch.worker.contracts.events import Result
from stripwatch.worker.contracts.frame_headers import RejectHeaders, read_frame_copy
from stripwatch.worker.contracts.replay_mark import replayed_id
from stripwatch.worker.monitoring.worker_scrape import fetch

_POLL_MS = 100
_BOARD_S, _LINE_S = 0.25, 5.0
_decode_result = msgspec.json.Decoder(Result).decode


def consume_into(tally: ResultsTally, consumer: KafkaConsumer, results_topic: str) -> None:
    """Count the results and rejects that have arrived since the last call. Waits up to 100 ms if there are none."""
    for partition, records in consumer.poll(timeout_ms=_POLL_MS).items():
        read_ms = time.time() * 1000
        for record in records:
            if partition.topic == results_topic:
                tally.add_result(_decode_result(record.value), read_ms)
            elif not replayed_id(record.value, record.headers):
                tally.add_reject(read_frame_copy(from_kafka(record), RejectHeaders).original.position, read_ms)


class LiveScreen:
    """The live table on a terminal, or a status line every five seconds elsewhere.

    It writes to stderr because stdout is reserved for the summary.
    """

    def __init__(self, tally: ResultsTally, defect_labels: list[str], seconds_max: float, metrics_port: int) -> None:
        self._tally = tally
        self._labels = defect_labels
        self._seconds_max = seconds_max
        self._metrics_port = metrics_port
        self._live = Live(console=STDERR, auto_refresh=False) if STDERR.is_terminal else None
        self._due_s = 0.0

    def __enter__(self) -> "LiveScreen":
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self) -> None:
        """Draw the current counts if the refresh interval has passed."""
        now_s = time.monotonic()
        if now_s < self._due_s:
            return
        self._due_s = now_s + (_BOARD_S if self._live else _LINE_S)
        lag = scrape(self._metrics_port).get("lag_frames")
        moment = Snapshot(self._seconds_max, lag, self._metrics_port)
        if self._live:
            self._live.update(draw_table(self._tally, self._labels, moment), refresh=True)
        else:
            say(status_line(self._tally, moment))


def scrape(port: int) -> dict[str, Any]:
    """Return lag, readiness and provider as reported by the worker or its supervisor; empty if it does not answer."""
    families = scrape_families(port)
    if not families:
        return {}
    return {
        "lag_frames": sum(sample.value for sample in families.get("stripwatch_consumer_lag_frames", ())),
        "ready": fetch(port, "/readyz") is not None,
        "provider": next((sample.labels["provider"] for sample in families.get("stripwatch_bundle_info", ())), None),
    }


def scrape_families(port: int) -> dict[str, list[Sample]]:
    """Return the samples of all metrics by family name; empty while the worker does not answer."""
    return {family.name: family.samples for family in text_string_to_metric_families(fetch(port, "/metrics") or "")}
