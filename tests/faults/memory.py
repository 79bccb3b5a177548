"""Upper bound of a worker's resident memory: the formula in docs/explanation/memory.md."""

from stripwatch.worker.broker.consumers import FETCH_BYTES_MAX
from stripwatch.worker.config.sections import FramesSettings, InflightSettings
from tests.brokers.apache import BATCH_BYTES_MAX

WORKER_MB = 123  # the process itself, with the tiny model


def bytes_beside_itself(brokers: int, batch_bytes_max: int) -> int:
    """Return the bound for the default limits, which seeds use. The tiny model's inputs are negligible."""
    inflight, frame = InflightSettings(), FramesSettings().bytes_max
    part = max(inflight.bytes_max // 4, frame)
    fetches = brokers * 5 * max(FETCH_BYTES_MAX, batch_bytes_max)
    return (inflight.bytes_max + frame) + part + 3 * part + fetches + inflight.decoded_bytes_max


def memory_mb_max(brokers: int) -> float:
    return WORKER_MB + bytes_beside_itself(brokers, BATCH_BYTES_MAX) / 1e6
