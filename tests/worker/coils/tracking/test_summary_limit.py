import msgspec

from stripwatch.worker.coils.tracking.camera_clocks import CameraClocks
from stripwatch.worker.coils.tracking.coil import CoilAggregate
from stripwatch.worker.coils.tracking.coil_part import CoilPart
from stripwatch.worker.coils.tracking.summary_limit import within_limit
from tests.worker.coils.samples import defect, logged, observation

KAFKA_BYTES_MAX = 1_048_588  # default message.max.bytes of a broker


def test_summary_that_is_too_large_drops_defects_but_keeps_their_total() -> None:
    name = "é" * 200
    log = CoilAggregate(observation(0, 0))
    for n in range(1, 1_001):
        start = 300 * n
        found = defect(start, start + 9, camera=name, label=name, event_id=f"{n}{name}")
        log.add(observation(n, start, defects=(found,)))
    summary = log.summary()
    assert len(msgspec.json.encode(summary)) > KAFKA_BYTES_MAX
    sent = CoilPart(log, CameraClocks(), 0).summary()
    assert len(msgspec.json.encode(sent)) < KAFKA_BYTES_MAX - 20_000
    assert (sent.strip_defects_total, sent.defects) == (summary.strip_defects_total, summary.defects)
    assert sent.strip_defects == summary.strip_defects[: len(sent.strip_defects)]
    assert len(sent.strip_defects) >= 250


def test_summary_that_fits_is_unchanged() -> None:
    summary = logged([observation(0, 0, 300, defects=(defect(0, 9),))])
    assert within_limit(summary) == summary
