"""Model reloads under load on a real broker: no frame is lost, and every event names the model that made it."""

import json
import shutil
from pathlib import Path

import pytest

from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.model.bundle_reader import read_bundle
from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line, Record, fetch, running_worker
from tests.tiny import LABELS, encode_frame, expected_scores, tiny_contract, write_bundle
from tests.waiting import wait_until

SMALL = DecodeSpec(height_px=8, width_px=8, colour="grey")
CHECK = ("--set", "bundle_check_s=0.05", "--set", "batch_frames_max=4")


def frames(n: int) -> list[bytes]:
    return [encode_frame((i % 100) / 100, seed=i) for i in range(n)]


def sample(port: int, name: str) -> float:
    values = dict(text.rsplit(" ", 1) for text in fetch(port, "/metrics")[1].splitlines() if text[0] != "#")
    return float(values.get(f"stripwatch_{name}", "0"))


@pytest.fixture
def embedded(embedded_broker: BrokerHandle) -> Line:
    """Broker for behaviour that does not depend on the kind of broker."""
    return Line.on(embedded_broker)


@pytest.fixture
def bundles(tmp_path: Path) -> tuple[Path, Path]:
    """Return two bundles that differ only in version and decode spec: a frame decoded for the other one fails."""
    old = write_bundle(tmp_path / "old.onnx", tiny_contract(version="1"))
    return old, write_bundle(tmp_path / "new.onnx", tiny_contract(version="2", decode=SMALL))


def test_a_model_reload_under_load_loses_nothing_and_events_name_the_right_model(
    line: Line, bundles: tuple[Path, Path], tmp_path: Path
) -> None:
    path = Path(shutil.copy(bundles[0], tmp_path / "model.onnx"))
    sent = line.send(frames(300), key=b"top-1")
    with running_worker(line, path, "g", *CHECK) as worker:
        port = worker.await_ready()
        line.read("results", 1)
        shutil.copy(bundles[1], tmp_path / "part")
        (tmp_path / "part").replace(path)
        while sample(port, 'bundle_swaps_total{outcome="swapped"}') == 0:  # frames arrive all the time
            sent += line.send(frames(100), key=b"top-1")
        sent += line.send(frames(100), key=b"top-1")
        line.read("results", len(sent))
        status = fetch(port, "/readyz")[0]
        assert worker.stop() == 0
        events = [entry["event"] for entry in worker.lines]
    assert (status, events.count("partitions assigned")) == (200, 1)  # the group was never left
    results = line.read_all("results")
    assert not line.read_all("rejects")
    check_models(sent, results, bundles)


def check_models(sent: list[Record], results: list[Record], bundles: tuple[Path, Path]) -> None:
    """Check for one result per frame, by the model it names, first the old and then the new one per partition."""
    by_position = {(frame.partition, frame.offset): frame.value or b"" for frame in sent}
    decode = {read_bundle(path).sha256: read_bundle(path).manifest.decode for path in bundles}
    seen: list[tuple[int, int]] = []
    versions: dict[int, list[str]] = {}
    for event in (record.json for record in results):
        position = (event["frame"]["partition"], event["frame"]["offset"])
        seen.append(position)
        versions.setdefault(position[0], []).append(event["model"]["version"])
        scores = expected_scores(by_position[position], decode[event["model"]["sha256"]])
        assert max(abs(event["scores"][label] - s) for label, s in zip(LABELS, scores, strict=True)) < 1e-5
    assert sorted(seen) == sorted(by_position)
    assert all(found == sorted(found) for found in versions.values())
    assert {version for found in versions.values() for version in found} == {"1", "2"}


def test_an_invalid_bundle_never_replaces_a_good_one(
    embedded: Line, bundles: tuple[Path, Path], tmp_path: Path
) -> None:
    path = Path(shutil.copy(bundles[0], tmp_path / "model.onnx"))
    with running_worker(embedded, path, "g", *CHECK) as worker:
        port = worker.await_ready()
        path.write_bytes(bundles[1].read_bytes()[:-100])
        refused = worker.await_log("bundle rejected")
        assert str(path) in refused["error"]
        sent = embedded.send(frames(50), key=b"top-1")
        assert {record.json["model"]["version"] for record in embedded.read("results", len(sent))} == {"1"}
        assert sample(port, 'bundle_swaps_total{outcome="refused"}') == 1
        assert sample(port, "bundle_outdated") == 1
        assert json.loads(fetch(port, "/readyz")[1])["ready"] is True
        assert worker.stop() == 0


SHADOW = ("--set", "shadow.share=1", "--set")


def test_a_shadow_is_compared_and_publishes_to_a_separate_topic(embedded: Line, bundles: tuple[Path, Path]) -> None:
    embedded.topics["shadow"] = embedded.broker.new_topic(1)
    with running_worker(embedded, bundles[0], "g", *CHECK, *SHADOW, f"shadow.bundle={bundles[1]}") as worker:
        port = worker.await_ready()
        wait_until(lambda: sample(port, 'shadow_swaps_total{outcome="swapped"}') == 1)
        sent = embedded.send(frames(50), key=b"top-1")
        assert len(embedded.read("shadow", len(sent))) == len(sent)
        compared = sum(sample(port, f'shadow_frames_total{{outcome="{name}"}}') for name in ("agrees", "differs"))
        assert compared == len(sent)
        assert worker.stop() == 0
    results, shadows = embedded.read_all("results"), embedded.read_all("shadow")
    assert {record.json["model"]["version"] for record in results} == {"1"}
    assert {record.json["model"]["version"] for record in shadows} == {"2"}
    assert {record.json["id"] for record in shadows} == {record.json["id"] for record in results}
    assert shadows[0].headers["ce_type"] == b"stripwatch.shadow.v1"


@pytest.mark.kafka
def test_a_shadow_without_its_topic_does_not_affect_results(
    apache_broker: BrokerHandle, bundles: tuple[Path, Path]
) -> None:
    line = Line.on(apache_broker)
    line.topics["shadow"] = "no-such-topic"
    with running_worker(line, bundles[0], "g", *CHECK, *SHADOW, f"shadow.bundle={bundles[1]}") as worker:
        port = worker.await_ready()
        wait_until(lambda: sample(port, 'shadow_swaps_total{outcome="swapped"}') == 1)
        sent = line.send(frames(50), key=b"top-1")
        assert len(line.read("results", len(sent))) == len(sent)
        wait_until(lambda: sample(port, "shadow_unpublished_total") == len(sent))
        assert json.loads(fetch(port, "/readyz")[1])["ready"] is True
        assert worker.stop() == 0


def test_skips_late_frames_and_becomes_unready_with_many_rejects(embedded: Line, bundles: tuple[Path, Path]) -> None:
    late = ("--set", "deadline_ms=3600000", "--set", "late_frames=skip-late")
    old = [("ce_time", b"2026-01-01T00:00:00Z")]
    sent = embedded.send(frames(10), key=b"top-1", headers=old)
    with running_worker(embedded, bundles[0], "g", *CHECK, *late) as worker:
        port = worker.await_ready()
        embedded.send([b"no image"] * 30, key=b"top-1")
        sent += embedded.send(frames(10), key=b"top-1")
        results = [record.json for record in embedded.read("results", len(sent))]
        wait_until(lambda: sample(port, "reject_share") == 0.6)
        status, body = fetch(port, "/readyz")
        assert (status, json.loads(body)["checks"]["few_rejects"]) == (503, False)
        assert sample(port, 'results_total{verdict="skipped"}') == sample(port, "late_frames_total") == 10
        assert worker.stop() == 0
    states = [(event["state"], event["verdict"] is None, event["scores"] == {}) for event in results]
    assert sorted(states) == [("inspected", False, False)] * 10 + [("skipped", True, True)] * 10
