"""A worker whose bundle has a novelty score: results, review frames, metrics, state of the camera, and labelling."""

from pathlib import Path

import pytest

from stripwatch.training.datasets.reviewed_folder import read_entries
from stripwatch.training.labeling.collect import Collector
from stripwatch.worker.contracts.positions import Position
from stripwatch.worker.contracts.positions import Record as KafkaRecord
from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line, fetch, running_worker
from tests.tiny import NOISY, NOVELTY, encode_frame, watchful_contract, write_bundle
from tests.waiting import wait_until

SETTINGS = ("--set", "review.enabled=true", "--set", "review.novel_per_hour_max=5", "--set", "drift.report_s=1")
KNOWN, NOVEL = 20, 12


@pytest.fixture(scope="module")
def watchful_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("watchful") / "watchful.onnx", watchful_contract())


def test_a_worker_reports_novel_frames_everywhere(
    embedded_broker: BrokerHandle, watchful_bundle: Path, tmp_path: Path
) -> None:
    line = Line.on(embedded_broker, partitions=1)
    line.topics["cameras"] = embedded_broker.new_topic(1)
    frames = [encode_frame(0.5, seed=number) for number in range(KNOWN)]
    frames += [encode_frame(0.5, noise=NOISY, seed=number) for number in range(NOVEL)]
    with running_worker(line, watchful_bundle, "g", *SETTINGS, "--topics.cameras", line.topics["cameras"]) as worker:
        port = worker.await_ready()
        sent = line.send(frames, key=b"top-1")
        events = [record.json for record in line.read("results", len(sent))]
        condition = 'stripwatch_camera_condition{camera="top-1",condition="novel"} 1.0'
        wait_until(lambda: condition in fetch(port, "/metrics")[1])
        metrics = fetch(port, "/metrics")[1]
        states = line.read_until(
            "cameras", lambda records: any("novel" in str(each.json["conditions"]) for each in records)
        )
        assert worker.stop() == 0
    novel = [event for event in events if event["reason"] == "novel"]
    assert [event["verdict"] for event in novel] == ["unsure"] * NOVEL
    assert all(event["novelty"] > event["model"]["novelty_threshold"] == NOVELTY.threshold for event in novel)
    for line_of_metrics in (
        f'stripwatch_unsure_frames_total{{camera="top-1",reason="novel"}} {NOVEL}.0',
        f'stripwatch_novelty_frames_total{{camera="top-1"}} {KNOWN + NOVEL}.0',
        'stripwatch_review_quota_frames_total{outcome="admitted",quota="novel"} 5.0',
        f'stripwatch_review_quota_frames_total{{outcome="over_quota",quota="novel"}} {NOVEL - 5}.0',
    ):
        assert line_of_metrics in metrics
    assert states[-1].json["novelty"] == {
        "window_s": 600.0,
        "frames": KNOWN + NOVEL,
        "novel": NOVEL,
        "expected_share": 0.01,
    }
    review = line.read_all("review")
    collector = Collector(tmp_path / "review", 0, only_novel=True)
    collector.collect(
        KafkaRecord(Position("review", 0, each.offset), 1, each.key, each.value, list(each.headers.items()))
        for each in review
    )
    assert (collector.summary()["new"], collector.summary()["novel"]) == (5, 5)
    assert {row.file.rpartition("/")[0] for row in read_entries(tmp_path / "review").values()} == {"_unsorted/_novel"}


def test_ignored_novelty_scores_have_no_effect_but_are_published(
    embedded_broker: BrokerHandle, watchful_bundle: Path
) -> None:
    line = Line.on(embedded_broker, partitions=1)
    ignored = ("--novelty.verdict", "ignore", "--set", "review.enabled=true")
    with running_worker(line, watchful_bundle, "g", *ignored) as worker:
        port = worker.await_ready()
        line.send([encode_frame(0.5, noise=NOISY)], key=b"top-1")
        (event,) = (record.json for record in line.read("results", 1))
        metrics = fetch(port, "/metrics")[1]
        assert worker.stop() == 0
    assert (event["reason"], event["model"]["novelty_threshold"]) == (None, None)
    assert event["novelty"] > NOVELTY.threshold
    assert 'stripwatch_novelty_frames_total{camera="top-1"} 0.0' in metrics
    assert line.read_all("review") == []
