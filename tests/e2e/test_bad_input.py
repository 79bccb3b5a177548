"""Invalid input gives a result or a reject with a reason, and never causes a crash, a stall or a lost frame."""

import re
import time
from pathlib import Path

import pytest

from stripwatch.worker.contracts.timestamps import rfc3339
from tests.badframes import BAD_FRAMES, GOOD_FRAMES
from tests.e2e.line import Line, fetch, running_worker

BAD_HEADERS: dict[str, list[tuple[str, bytes]]] = {
    "none": [],
    "no time": [("ce_time", b"yesterday"), ("ce_subject", b"C1")],
    "time without UTC offset": [("ce_time", b"2026-11-23T02:00:00")],
    "position that is not a number": [("ce_strippositionmm", b"12.5m")],
    "position that is too large": [("ce_strippositionmm", b"9" * 40)],
    "bytes that are not UTF-8": [("ce_subject", b"\xff\xfe"), ("ce_source", b"\xff/\xfe")],
    "coil with control characters": [("ce_subject", b"C1\x00\n")],
    "empty values": [("ce_subject", b""), ("ce_source", b""), ("ce_time", b"")],
    "only slashes": [("ce_source", b"///")],
    "huge value": [("ce_subject", b"C" * 100_000)],
    "duplicate name": [("ce_subject", b"C1"), ("ce_subject", b"C2")],
    "malformed traceparent": [("traceparent", b"00-zz")],
}


def test_rejects_bad_frames_with_reason_and_position(line: Line, bundle: Path) -> None:
    bad = line.send([value for value, _ in BAD_FRAMES.values()], key=b"top-1", headers=[("ce_subject", b"C1")])
    good = line.send(list(GOOD_FRAMES.values()), key=b"top-1")
    with running_worker(line, bundle, "g") as worker:
        worker.await_ready()
        rejects = line.read("rejects", len(bad))
        results = line.read("results", len(good))
        assert worker.stop() == 0
    found = {(int(r.headers["stripwatch_partition"]), int(r.headers["stripwatch_offset"])): r for r in rejects}
    for frame, (name, (value, reason)) in zip(bad, BAD_FRAMES.items(), strict=True):
        reject = found[frame.partition, frame.offset]
        assert reject.headers["stripwatch_reason"] == reason.value.encode(), name
        assert reject.headers["stripwatch_detail"], name
        assert reject.headers["stripwatch_topic"] == line.topics["frames"].encode()
        assert reject.headers["original.ce_subject"] == b"C1"
        assert (reject.value or b"") == (value or b""), name
    assert len(results) == len(good)
    assert {event.json["label"] for event in results} == {"grey"}
    assert sum(line.committed("g").values()) == len(bad) + len(good)


def test_inspects_frames_with_bad_headers_and_keys(line: Line, bundle: Path) -> None:
    frame = GOOD_FRAMES["grey PNG"]
    sent = [line.send([frame], headers=headers)[0] for headers in BAD_HEADERS.values()]
    sent += [line.send([frame], key=key)[0] for key in (b"\xff\xfe", b"", b"k" * 5000, b"a\nb")]
    with running_worker(line, bundle, "g") as worker:
        worker.await_ready()
        results = line.read("results", len(sent))
        assert worker.stop() == 0
    by_offset = {event.json["frame"]["offset"]: event.json["frame"] for event in results}
    assert sorted(by_offset) == [frame.offset for frame in sent]
    frames = dict(zip(BAD_HEADERS, (by_offset[frame.offset] for frame in sent), strict=False))
    fallback = f"{line.topics['frames']}-0"
    assert {by_offset[frame.offset]["camera"] for frame in sent} == {fallback}
    assert frames["no time"]["coil"] == "C1"
    assert frames["position that is not a number"]["strip_position_mm"] is None
    assert frames["huge value"]["coil"] is None
    assert frames["bytes that are not UTF-8"]["line"] is None


@pytest.mark.long
@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_accepts_every_compression(line: Line, bundle: Path, codec: str) -> None:
    with line.broker.producer(compression_type=codec) as producer:
        for number in range(20):
            producer.send(line.topics["frames"], GOOD_FRAMES["grey PNG"], partition=number % 3)
    with running_worker(line, bundle, "g") as worker:
        worker.await_ready()
        assert len(line.read("results", 20)) == 20
        assert worker.stop() == 0


@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
def test_rejects_an_oversized_decompressed_batch_without_its_bytes(line: Line, bundle: Path, delivery: str) -> None:
    """Each record is rejected separately, with its key and headers, and the frames after the batch are inspected."""
    frame = GOOD_FRAMES["grey PNG"]
    batching = {"compression_type": "gzip", "batch_size": 20_000_000, "linger_ms": 1000, "enable_idempotence": False}
    with line.broker.producer(max_request_size=20_000_000, **batching) as producer:
        for _ in range(40):
            producer.send(line.topics["frames"], bytes(90_000), b"top-1", [("ce_subject", b"C1")], partition=0)
        producer.flush()
    line.send([frame] * 12, key=b"top-1")
    limits = ("--set", "frames.bytes_max=100000", "--set", "inflight.bytes_max=400000")
    with running_worker(
        line, bundle, "g", *limits, "--set", f"delivery={delivery}", "--set", "instance_id=a"
    ) as worker:
        port = worker.await_ready()
        rejects = line.read("rejects", 40)
        assert len(line.read("results", 12)) == 12
        metrics = fetch(port, "/metrics")[1]
        assert worker.stop() == 0
    assert 'stripwatch_batch_faults_total{fault="too_large"} 1.0' in metrics
    assert [int(reject.headers["stripwatch_offset"]) for reject in rejects] == list(range(40))
    for reject in rejects:
        assert reject.headers["stripwatch_reason"] == b"too_many_bytes"
        assert reject.headers["stripwatch_bytes"] == b"90000"
        assert reject.headers["stripwatch_bytes_kept"] == b"0"
        assert reject.headers["original.ce_subject"] == b"C1"
        assert (reject.key, reject.value or b"") == (b"top-1", b"")
    assert line.committed("g") == {0: 44, 1: 4, 2: 4}


def test_rejects_a_frame_over_the_size_limit_without_its_bytes(line: Line, bundle: Path) -> None:
    line.send([b"x" * 3001, b"x" * 3000], key=b"top-1")
    with running_worker(line, bundle, "g", "--set", "frames.bytes_max=3000") as worker:
        worker.await_ready()
        rejects = line.read("rejects", 2)
        worker.stop()
    found = {reject.headers["stripwatch_bytes"]: reject for reject in rejects}
    assert found[b"3001"].headers["stripwatch_reason"] == b"too_many_bytes"
    assert found[b"3001"].headers["stripwatch_detail"] == b"3001 bytes, over the limit of 3000"
    assert (found[b"3001"].value or b"") == b""
    assert found[b"3000"].value == b"x" * 3000


class OddName(str):
    """Header name that is not UTF-8."""

    def encode(self, *_: object) -> bytes:
        return b"caf\xe9"


@pytest.mark.long
def test_inspects_frames_with_hostile_headers(line: Line, bundle: Path) -> None:
    headers = {"name that is not UTF-8": [(OddName("x"), b"1")], "very many": [("", b"")] * 150_000}
    sent = [line.send([b"no image"], headers=found)[0] for found in headers.values()]
    sent += line.send([GOOD_FRAMES["grey PNG"]])
    with running_worker(line, bundle, "g") as worker:
        worker.await_ready()
        assert len(line.read("rejects", 2)) == 2
        assert len(line.read("results", 1)) == 1
        assert worker.stop() == 0


def test_a_reject_of_a_too_large_frame_is_cut_and_marked(line: Line, bundle: Path) -> None:
    line.send([b"x" * 3000], key=b"top-1")
    with running_worker(line, bundle, "g", "--set", "rejects.bytes_max=1000") as worker:
        worker.await_ready()
        (reject,) = line.read("rejects", 1)
        worker.stop()
    assert reject.value == b"x" * 1000
    assert reject.headers["stripwatch_bytes"] == b"3000"
    assert reject.headers["stripwatch_bytes_kept"] == b"1000"


def test_record_times_in_other_units_are_counted_and_do_not_make_frames_late(line: Line, bundle: Path) -> None:
    now_ms = round(time.time() * 1000)
    times_ms = [now_ms, now_ms // 1000, 0, 946_684_799_999]
    source = b"/plant/line%201/cam%C3%A4"
    for time_ms in times_ms:
        line.send([GOOD_FRAMES["grey PNG"]], timestamp_ms=time_ms, headers=[("ce_source", source)])
    late = ("--set", "deadline_ms=600000", "--set", "late_frames=skip-late")
    with running_worker(line, bundle, "g", *late) as worker:
        port = worker.await_ready()
        results = line.read("results", len(times_ms))
        metrics = fetch(port, "/metrics")[1]
        assert worker.stop() == 0
    assert {event.json["state"] for event in results} == {"inspected"}
    assert min(event.json["frame"]["captured_at"] for event in results) >= rfc3339(now_ms)
    assert {event.headers["ce_source"] for event in results} == {source}
    assert {(event.json["frame"]["camera"], event.json["frame"]["line"]) for event in results} == {
        ("camä", "/plant/line 1")
    }
    assert 'stripwatch_header_faults_total{header="timestamp"} 3.0' in metrics
    assert 'stripwatch_frames_total{camera="camä"} 4.0' in metrics
    (age_s,) = re.findall(r"^stripwatch_frame_age_seconds_sum (\S+)", metrics, re.MULTILINE)
    assert float(age_s) < 4 * 600
