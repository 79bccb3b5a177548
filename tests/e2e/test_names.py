"""Files and folders whose names are not UTF-8, with the commands that read and write them."""

import json
import os
from pathlib import Path

import pytest

from stripwatch.worker.common.path_text import path_text
from stripwatch.worker.model.bundle import Threshold
from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line, collect, run_cli, running_worker
from tests.tiny import LABELS, tiny_contract, write_bundle, write_frames

NAMES = [b"a\xff", b"$\\frac$", b"[b]\xfe"]


def named(folder: Path, name: bytes) -> Path:
    return folder / os.fsdecode(name)


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    """A folder with three images, and a bundle that is unsure about each of them."""
    plant = named(tmp_path, b"plant\xff [x]")
    photos = named(plant, b"photos\xff")
    for name, path in zip(NAMES, write_frames(named(photos, b"top\xfe"), [0.1, 0.5, 0.9]), strict=True):
        path.rename(named(path.parent, name + b".png"))
    thresholds = {label: Threshold(sure=1.0, unsure=0.5) for label in LABELS}
    write_bundle(named(plant, b"model\xff.onnx"), tiny_contract(thresholds=thresholds))
    return plant


@pytest.mark.kafka  # collect needs end offsets, and those of the embedded broker are wrong
def test_replays_inspects_and_collects_frames_with_such_names(apache_broker: BrokerHandle, plant: Path) -> None:
    line, sent = Line.on(apache_broker), named(plant, b"sent\xff.jsonl")
    kafka = ("--bootstrap-servers", line.broker.bootstrap_servers)
    config = named(plant, b"worker\xff.toml")
    config.write_text("review.enabled = true\n")
    with running_worker(line, named(plant, b"model\xff.onnx"), "g", "--config", str(config)) as worker:
        worker.await_ready()
        photos = named(plant, b"photos\xff")
        replayed = run_cli(
            *("replay", str(photos), *kafka, "--topic", line.topics["frames"], "--rate", "0", "--sent", str(sent))
        )
        assert replayed.returncode == 0, replayed.stderr
        assert len(line.read("results", 3)) == 3
        assert worker.stop() == 0
    files = [json.loads(text)["file"] for text in sent.read_text().splitlines()]
    assert sorted(files) == sorted(path_text(os.fsdecode(b"top\xfe/" + name + b".png")) for name in NAMES)

    review = named(plant, b"review\xff")
    assert collect("--out", str(review), *kafka, "--review-topic", line.topics["review"])["new"] == 3
    assert sum(collect("--out", str(review), "--sorted")["labels"].values()) == 3
