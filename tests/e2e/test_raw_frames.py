"""Raw buffers on Kafka get the verdicts of the same pixels in a PNG file, and are annotated, stored and replayed."""

import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from stripwatch.worker.commands.stored_reject import read_reject
from stripwatch.worker.common.process.child_process import module_command
from stripwatch.worker.contracts.positions import Position
from stripwatch.worker.contracts.positions import Record as PlainRecord
from stripwatch.worker.images.decode_spec import DecodeLimits
from stripwatch.worker.images.lossless_png import raw_to_png
from tests.e2e.line import Line, fetch, running_worker
from tests.raw_frames import Headers, pack, raw_headers
from tests.waiting import wait_until

pytestmark = pytest.mark.long


def frames() -> list[np.ndarray]:
    """Return 12-bit strips from dark to bright."""
    rng = np.random.default_rng(0)
    return [np.clip(rng.normal(mean, 60, (32, 48)), 0, 4095).astype(int) for mean in (200, 1200, 2100, 3000, 3900)]


def test_a_12_bit_camera_gets_the_verdicts_of_the_same_pixels_in_a_png(line: Line, bundle: Path) -> None:
    for values in frames():
        buffer, layout = pack(values, "Mono12p")
        line.send([buffer], key=b"raw", headers=[*raw_headers(layout), ("ce_blockid", b"7")])
        line.send([raw_to_png(buffer, layout, DecodeLimits())], key=b"png")
    with running_worker(line, bundle, "g") as worker:
        worker.await_ready()
        results = line.read("results", 10)
        assert worker.stop() == 0
    answers = {
        camera: [
            event.json
            for event in sorted(results, key=lambda event: event.json["frame"]["offset"])
            if event.json["frame"]["camera"] == camera
        ]
        for camera in ("raw", "png")
    }
    for raw, png in zip(answers["raw"], answers["png"], strict=True):
        assert [raw[name] for name in ("verdict", "label", "flags")] == [
            png[name] for name in ("verdict", "label", "flags")
        ]
        assert raw["scores"] == pytest.approx(png["scores"], abs=1e-5), "rounding differs with the batch size"
    assert len({answer["score"] for answer in answers["raw"]}) == 5, "each strip has different scores"
    info = answers["raw"][0]["frame"]
    assert (info["width_px"], info["height_px"], info["block_id"]) == (48, 32, 7)


def test_replays_a_rejected_raw_buffer_with_its_layout(line: Line, bundle: Path) -> None:
    buffer, layout = pack(frames()[0], "Mono12p")
    headers: Headers = [*raw_headers(layout), ("ce_time", b"2026-11-23T02:00:00Z")]
    line.send([buffer[:-1]], key=b"top-1", headers=headers)
    line.send([buffer], key=b"top-1", headers=raw_headers(layout)[:1])
    line.send([buffer], key=b"top-1", headers=[("ce_pixelformat", b"Mono12P"), *raw_headers(layout)[2:]])
    with running_worker(line, bundle, "g") as worker:
        port = worker.await_ready()
        rejects = line.read("rejects", 3)
        counted = 'stripwatch_rejects_total{camera="top-1",reason="unsupported_format"} 2.0'
        wait_until(lambda: counted in fetch(port, "/metrics")[1])
        assert worker.stop() == 0
    details = {reject.headers["stripwatch_reason"]: reject.headers["stripwatch_detail"].decode() for reject in rejects}
    assert "1 are missing" in details[b"truncated"]
    assert any("ce_pixelformat" in detail for detail in details.values())
    cut = next(reject for reject in rejects if reject.headers["stripwatch_reason"] == b"truncated")
    stored = read_reject(
        PlainRecord(
            Position("r", cut.partition, cut.offset),
            round(time.time() * 1000),
            cut.key,
            cut.value,
            list(cut.headers.items()),
        )
    )
    assert dict(stored.headers_again()).items() >= dict(headers).items()


def test_inspects_raw_frames_of_simulated_cameras(line: Line, bundle: Path) -> None:
    broker, topic = line.broker.bootstrap_servers, line.topics["frames"]
    command = [*module_command("worker"), "simulate", "--bootstrap-servers", broker, "--topic", topic]
    for pixel_format in ("Mono10p", "Mono12Packed", "BayerRG8"):
        flags = ["--pixel-format", pixel_format, "--frames", "2", "--cameras", "2", "--rate", "0", "--shape", "64x66"]
        subprocess.run([*command, *flags], check=True, capture_output=True, timeout=100)
    with running_worker(line, bundle, "g") as worker:
        worker.await_ready()
        results = line.read("results", 12)
        assert worker.stop() == 0
    assert [(event.json["state"], event.json["flags"]) for event in results] == [("inspected", [])] * 12
    assert {(event.json["frame"]["width_px"], event.json["frame"]["height_px"]) for event in results} == {(66, 64)}
