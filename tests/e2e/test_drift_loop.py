"""Retraining loop: the lighting changes, and the unsure frames are collected, labelled and used to retrain the model.

With `-s` the test prints its measurements as one JSON line.
"""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.service.offline import inspect_folder
from stripwatch.worker.simulator.scene import encode_jpeg, frame_seed, render
from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line, collect, running_worker

pytestmark = pytest.mark.long

KINDS = ("clean", "edge_crack", "patch")
SHAPE = (64, 64)
DIM = 0.3  # brightness relative to the training images
SURE = 0.98
COILS = 5  # sent one after the other: a longer burst would overflow the worker's review queue


@dataclass(frozen=True, slots=True)
class Shot:
    encoded: bytes
    label: str


def shots(frames_a_kind: int, seed: int, brightness_factor: float) -> list[Shot]:
    """Return distinct frames of every kind, in turn."""
    return [
        Shot(encode_jpeg(render(kind, SHAPE, frame_seed(seed, number), brightness_factor).pixels), kind)
        for number in range(frames_a_kind)
        for kind in KINDS
    ]


def write_set(folder: Path, frames: list[Shot]) -> Path:
    folder.mkdir()
    for number, shot in enumerate(frames):
        (folder / f"{shot.label}_{number}.jpg").write_bytes(shot.encoded)
    return folder


def train(out: Path, data: Path, *also: Path) -> Path:
    """Fit all layers of a tiny network, and return its bundle."""
    from stripwatch.export.convert.export_run import ExportSettings, export_run
    from stripwatch.training.fitting.fit import fit
    from stripwatch.training.fitting.fit_settings import FitSettings

    usual: dict[str, Any] = {"alpha": 0.25, "height_px": SHAPE[0], "width_px": SHAPE[1], "weights": "none"}
    short: dict[str, Any] = {"cut": "conv_pw_5_relu", "epochs": 25, "batch": 16, "learning_rate": 0.01, "dropout": 0.0}
    fit(FitSettings(data, out, "mobilenet", **usual, **short, seed=1, clean_label="clean", also=also))
    bundle = out.with_suffix(".onnx")
    export_run(ExportSettings(out, bundle))
    return bundle


def accuracy(bundle: Path, images: Path) -> float:
    """Return the worker's accuracy on files named after their class."""
    out = images.with_name(f"{bundle.stem}-{images.name}.jsonl")
    inspect_folder(load_settings(None, {"bundle": bundle}), images, out)
    events = [json.loads(line) for line in out.read_text().splitlines()]
    right: int = sum(event["label"] == Path(event["frame"]["file"]).name.rpartition("_")[0] for event in events)
    return round(right / len(events), 4)


def write_labels(folder: Path, truths: Mapping[tuple[int, int], str]) -> Path:
    """Write the labels that a person would assign. truths: labels by the partition and offset that an id holds."""
    with (folder / "collected.csv").open(newline="") as listed:
        ids = [row["id"] for row in csv.DictReader(listed)]
    path = folder.with_name("labels.csv")
    with path.open("w", newline="") as file:
        places = [(int(partition), int(offset)) for _, partition, offset, _ in (each.rsplit("-", 3) for each in ids)]
        rows = [(each, truths[place]) for each, place in zip(ids, places, strict=True)]
        csv.writer(file).writerows([("id", "label"), *rows])
    return path


@pytest.mark.training
@pytest.mark.kafka  # the embedded broker returns wrong end offsets
def test_retraining_on_unsure_frames_improves_the_model(apache_broker: BrokerHandle, tmp_path: Path) -> None:
    line = Line.on(apache_broker)
    images = write_set(tmp_path / "images", shots(80, seed=1, brightness_factor=1.0))
    usual = write_set(tmp_path / "usual", shots(40, seed=3, brightness_factor=1.0))
    dim = write_set(tmp_path / "dim", shots(40, seed=4, brightness_factor=DIM))
    before = train(tmp_path / "before", images)

    truths: dict[tuple[int, int], str] = {}
    drifted = shots(50, seed=2, brightness_factor=DIM)
    sure = [part for kind in KINDS for part in ("--set", f"thresholds.{kind}.sure={SURE}")]
    review = ("--set", "review.enabled=true", "--set", "review.per_hour_max=1000")
    with running_worker(line, before, "g", *sure, *review) as worker:
        worker.await_ready()
        for coil in range(COILS):
            of_coil = drifted[coil::COILS]
            sent = line.send([shot.encoded for shot in of_coil], key=b"top-1", headers=[("ce_subject", b"C%d" % coil)])
            truths |= {
                (record.partition, record.offset): shot.label for record, shot in zip(sent, of_coil, strict=True)
            }
            results = [record.json for record in line.read("results", len(truths))]
        assert worker.stop() == 0
    unsure = sum(result["verdict"] == "unsure" for result in results)

    collected = tmp_path / "collected"
    kafka = ("--bootstrap-servers", line.broker.bootstrap_servers, "--review-topic", line.topics["review"])
    assert collect("--out", str(collected), *kafka)["new"] == unsure > len(drifted) / 3
    assert collect("--out", str(collected), *kafka)["known"] == unsure
    labelled = collect("--out", str(collected), "--labels", str(write_labels(collected, truths)))
    assert sum(labelled["labels"].values()) == unsure

    after = train(tmp_path / "after", images, collected)
    measured = {
        "unsure": unsure,
        "of": len(drifted),
        "dim_before": accuracy(before, dim),
        "dim_after": accuracy(after, dim),
        "usual_before": accuracy(before, usual),
        "usual_after": accuracy(after, usual),
    }
    print("\n" + json.dumps(measured))
    assert measured["dim_after"] >= measured["dim_before"] + 0.15
    assert measured["usual_after"] > 0.55  # accuracy on the usual light is kept; chance is 0.33
