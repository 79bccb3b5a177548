"""Send frames to the soak's worker, at a steady rate or as fast as it takes them, and count its results."""

import re
import time
from dataclasses import dataclass, field

from kafka import KafkaProducer

from stripwatch.worker.common.errors import BrokerUnavailableError
from tests.e2e.line import Line, fetch
from tests.soak.held import held_by
from tests.tiny import encode_frame

AHEAD_FRAMES = 2_000  # frames kept waiting while the capacity is measured
WAIT_S_MAX = 120.0
_CHUNK_FRAMES = 200
_TICK_S = 0.05
_LOOK_S = 0.2  # each request for the metrics costs the worker time
_SAMPLE_S = 5.0
_ENCODED = [encode_frame(number / 100, seed=number) for number in range(100)]
_RESULTS = re.compile(r"^stripwatch_results_total{.*} (\S+)$", re.MULTILINE)
_SHA256 = re.compile(r'^stripwatch_bundle_info{.*sha256="(\w+)"', re.MULTILINE)


class SenderTooSlowError(Exception):
    """The worker ran out of frames while its capacity was measured."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample of the worker. at_s: monotonic time. waiting_frames: frames sent that have no result yet."""

    at_s: float
    rss_mb: float
    waiting_frames: int


@dataclass(slots=True)
class Feed:
    """Frame sender for one worker. port: its metrics port. pid: its process."""

    producer: KafkaProducer
    line: Line
    port: int
    pid: int
    sent: int = 0
    samples: list[Sample] = field(default_factory=list)

    def send(self, count: int) -> None:
        for number in range(self.sent, self.sent + count):
            self.producer.send(
                self.line.topics["frames"],
                _ENCODED[number % len(_ENCODED)],
                partition=number % self.line.partitions,
                key=b"camera-%d" % (number % self.line.partitions),
            )
        self.sent += count

    def capacity(self, seconds: float) -> float:
        """Measure the frames per second of a worker that always has frames waiting, without its start-up.

        Raises SenderTooSlowError.
        """
        self._keep_ahead(0.1 * seconds)
        began, began_s = self.results, time.monotonic()
        if not self._keep_ahead(seconds):
            raise SenderTooSlowError("the sender was slower than the worker, so the worker's capacity was not measured")
        rate = (self.results - began) / (time.monotonic() - began_s)
        self.await_results(self.sent)
        return rate

    def _keep_ahead(self, seconds: float) -> bool:
        """Keep frames waiting for some seconds; return whether there were some at every check."""
        until_s, look_s, results, ahead = time.monotonic() + seconds, 0.0, self.results, True
        self.send(max(0, AHEAD_FRAMES - (self.sent - results)))
        self.producer.flush()
        while (now_s := time.monotonic()) < until_s:
            if now_s > look_s + _LOOK_S:
                results, look_s = self.results, now_s
                ahead &= self.sent > results
            if self.sent - results < AHEAD_FRAMES:
                self.send(_CHUNK_FRAMES)
            else:
                time.sleep(_LOOK_S / 10)
        return ahead

    def play(self, rate: float, began: int, began_s: float, until_s: float) -> None:
        """Send frames at a rate in frames per second, until a monotonic time.

        began: number of frames sent at began_s. Frames that are late are caught up.
        """
        while (now_s := time.monotonic()) < until_s:
            self.send(began + round(rate * (now_s - began_s)) - self.sent)
            if not self.samples or now_s > self.samples[-1].at_s + _SAMPLE_S:
                self.samples.append(Sample(now_s, held_by(self.pid).rss_mb, self.sent - self.results))
            time.sleep(_TICK_S)

    def await_results(self, count: int) -> None:
        """Wait for results as long as more arrive: other work on the machine may have left many frames waiting.

        Raises BrokerUnavailableError.
        """
        seen, seen_s = -1, time.monotonic()
        while (results := self.results) < count:
            if results > seen:
                seen, seen_s = results, time.monotonic()
            elif time.monotonic() - seen_s > WAIT_S_MAX:
                raise BrokerUnavailableError(
                    f"{results} of {count} results received, and no more arrived for {WAIT_S_MAX:g} s"
                )
            time.sleep(_LOOK_S)

    @property
    def results(self) -> int:
        return sum(round(float(value)) for value in _RESULTS.findall(fetch(self.port, "/metrics")[1]))

    @property
    def model(self) -> str:
        """SHA-256 of the bundle in use."""
        return "".join(_SHA256.findall(fetch(self.port, "/metrics")[1]))
