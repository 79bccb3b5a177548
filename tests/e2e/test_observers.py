"""Evidence images and review frames of a real worker, and missing topics for them."""

from pathlib import Path
from uuid import uuid4

import cv2
import numpy as np
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event

from stripwatch.worker.model.bundle import Threshold
from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line, fetch, running_worker
from tests.tiny import encode_frame, mapped_contract, write_bundle
from tests.waiting import wait_until

SURE = {"dark": Threshold(0.9, 0.3), "grey": Threshold(0.9, 0.3), "bright": Threshold(0.9, 0.3)}
ON = ("--set", "evidence.enabled=true", "--set", "review.enabled=true")
DEFECT, CLEAN, UNSURE = 0.95, 0.5, 0.3  # change of brightness


@pytest.fixture(scope="module")
def mapped_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle with heatmaps that is unsure halfway between two classes."""
    return write_bundle(tmp_path_factory.mktemp("mapped") / "mapped.onnx", mapped_contract(thresholds=SURE))


@pytest.fixture
def embedded(embedded_broker: BrokerHandle) -> Line:
    return Line.on(embedded_broker)


def images(*brightnesses: float) -> list[bytes | None]:
    return [encode_frame(brightness, (120, 200), seed=n) for n, brightness in enumerate(brightnesses)]


@pytest.mark.parametrize("delivery", ["at-least-once", "exactly-once"])
def test_evidence_and_review_frames_are_published_even_if_the_worker_stops_at_once(
    embedded: Line, mapped_bundle: Path, delivery: str
) -> None:
    settings = (
        "--set",
        "review.per_hour_max=3",
        "--set",
        f"delivery={delivery}",
        "--set",
        f"instance_id={uuid4().hex}",
    )
    headers = [("ce_subject", b"C1"), ("ce_source", b"/plant/line-1/top-1")]
    sent = embedded.send(images(*[DEFECT, CLEAN, UNSURE] * 4), key=b"top-1", headers=headers)
    with running_worker(embedded, mapped_bundle, "g", *ON, *settings) as worker:
        port = worker.await_ready()
        events = [record.json for record in embedded.read("results", len(sent))]
        metrics = fetch(port, "/metrics")[1]
        assert worker.stop() == 0
    assert 'stripwatch_review_frames_total{outcome="over_quota"}' in metrics
    verdicts = {event["id"]: event["verdict"] for event in events}
    defects = [identity for identity, verdict in verdicts.items() if verdict == "defect"]
    assert len(defects) == 4
    assert {event["evidence"] for event in events if event["verdict"] == "defect"} == {True}
    assert {event["evidence"] for event in events if event["verdict"] != "defect"} == {None}
    assert {event["model"]["provider"] for event in events} == {"CPUExecutionProvider"}
    evidence = embedded.read_all("evidence")
    assert sorted((record.key or b"").decode() for record in evidence) == sorted(defects)
    for record in evidence:
        picture = cv2.imdecode(np.frombuffer(record.value or b"", np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape == (120, 200, 3)
        assert record.headers["ce_subject"] == b"C1"
    review = embedded.read_all("review")
    assert len(review) == 3  # of four, limited by the quota
    for topic in ("results", "defects", "evidence", "review"):
        for record in embedded.read_all(topic):
            parsed = from_binary_event(KafkaMessage(record.headers, record.key, record.value or b""))
            assert parsed.get_type() == f"stripwatch.{topic.removesuffix('s')}.v1"
            assert (parsed.get_source(), parsed.get_subject()) == ("/plant/line-1/top-1", "C1")
    frames = {(frame.partition, frame.offset): frame.value for frame in sent}
    for record in review:
        assert verdicts[record.headers["stripwatch_event_id"].decode()] == "unsure"
        place = int(record.headers["stripwatch_partition"]), int(record.headers["stripwatch_offset"])
        assert (record.value, record.headers["original.ce_subject"]) == (frames[place], b"C1")


def test_missing_topics_are_named_at_the_start_if_they_are_needed(embedded: Line, mapped_bundle: Path) -> None:
    embedded.topics["evidence"] = "there-is-no-such-topic"
    with running_worker(embedded, mapped_bundle, "g", *ON) as worker:
        assert worker.process.wait(60) == 4
        worker.kill()
        assert "there-is-no-such-topic" in str(worker.lines[-1])
    with running_worker(embedded, mapped_bundle, "g") as worker:
        worker.await_ready()
        assert worker.stop() == 0


@pytest.mark.kafka  # the embedded broker still accepts records for a deleted topic
def test_a_deleted_topic_stops_nothing_and_failures_are_counted(
    apache_broker: BrokerHandle, mapped_bundle: Path
) -> None:
    line = Line.on(apache_broker)

    def failed() -> bool:
        return 'stripwatch_evidence_frames_total{outcome="failed"} 1.0' in fetch(port, "/metrics")[1]

    with running_worker(line, mapped_bundle, "g", *ON) as worker:
        port = worker.await_ready()
        with apache_broker.admin() as admin:
            admin.delete_topics([line.topics["evidence"]])
        line.send(images(DEFECT))
        (promised,) = line.read("results", 1)
        assert promised.json["evidence"] is True
        wait_until(failed)
        line.send(images(DEFECT, CLEAN, CLEAN))
        later = [record.json["evidence"] for record in line.read("results", 4)[1:]]
        assert worker.stop() == 0
    assert sorted(later, key=str) == [False, None, None]
    said = next(entry for entry in worker.lines if entry["event"] == "cannot publish background records")
    assert said["topic"] == line.topics["evidence"]
