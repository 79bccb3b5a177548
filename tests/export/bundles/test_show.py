import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import msgspec
import pytest

from stripwatch.export.bundles.show import as_json, change_rows, facts, limit_rows, outcome, read_card
from stripwatch.worker.contracts.model.camera_limits import CameraLimit
from stripwatch.worker.contracts.model.model_record import BoxSpec, DetectedShare, NoveltyFigures, WithstoodChange
from stripwatch.worker.model.bundle import Manifest
from stripwatch.worker.model.bundle_reader import read_bundle
from tests.printed import as_printed, next_steps
from tests.tiny import TINY_REFERENCE, mapped_contract, tiny_contract, write_bundle

pytestmark = pytest.mark.training


def test_json_contains_everything_except_golden_frame_images(exported: Path) -> None:
    bundle = read_bundle(exported)
    summary = json.loads(json.dumps(as_json(read_card(bundle))))
    assert summary["sha256"] == bundle.sha256
    assert len(summary["graph_sha256"]) == 64
    assert summary["bytes"] == exported.stat().st_size
    assert summary["operations"] > 1e6
    assert summary["labels"] == bundle.manifest.labels
    assert summary["fidelity"]["agreement"] == 1
    assert summary["provenance"]["run_id"] == bundle.manifest.provenance.run_id
    assert [golden["encoded"] for golden in summary["golden"]] == [
        len(golden.encoded) for golden in bundle.manifest.golden
    ]


def test_the_table_shows_the_main_facts(exported: Path) -> None:
    card = read_card(read_bundle(exported))
    text = as_printed(outcome(card), 250)
    for fact in (
        *(
            "textures 7",
            card.bundle.sha256,
            card.graph_sha256,
            "64x64 grey",
            "mobilenet 0.25",
            "multiply-adds per frame",
        ),
        *("plain (no defect)", "stripes", "float32: same prediction as Keras for 100.00%"),
    ):
        assert fact in text


def test_the_tables_are_readable_in_80_columns(exported: Path) -> None:
    text = as_printed(outcome(read_card(read_bundle(exported))))
    assert next_steps(text) == [f"stripwatch check --bundle {exported}"]
    lines = [line for line in text.splitlines() if not line.startswith("next: ")]
    assert max(map(len, lines)) <= 80


def test_states_the_novelty_threshold_and_the_share_of_novel_frames(exported_novel: Path, tmp_path: Path) -> None:
    bundle = read_bundle(exported_novel)
    spec = bundle.manifest.novelty
    assert spec is not None
    assert facts(read_card(bundle))["novelty score"] == (
        f"made by hand; novel above {spec.threshold:.6g}, chosen for 1.00% false alarms on 45 training frames; novel "
        "with this bundle: 0.00% of the validation frames, with Keras: 0.00%; "
        f"golden scores within {spec.tolerance:.2g}"
    )
    assert as_json(read_card(bundle))["novelty"]["threshold"] == spec.threshold
    without = facts(read_card(read_bundle(write_bundle(tmp_path / "a.onnx"))))["novelty score"]
    assert without == "none: the worker does not detect frames unlike the training frames"


def test_shows_which_left_out_classes_are_missed_the_lowest_share_first(tmp_path: Path) -> None:
    left_out = {"bright": DetectedShare(40, 38, 0.83, 0.99), "grey": DetectedShare(20, 3, 0.05, 0.36)}
    figures = NoveltyFigures(DetectedShare(200, 3, 0.005, 0.04), left_out, left_out_mean=0.95)
    path = write_bundle(tmp_path / "a.onnx", tiny_contract(novelty_figures=figures))
    text = as_printed(outcome(read_card(read_bundle(path))), 250)
    assert "1.50% of 200 validation frames are false alarms; 95.0% of a left-out class detected on average" in text
    assert text.index("grey (no defect)  ", text.index("class left out")) < text.rindex("bright")
    assert "0.150" in text


def test_shows_what_the_model_withstands(tmp_path: Path) -> None:
    withstands = {
        "noise": WithstoodChange("grey levels", 2.0, 4.0),
        "mirrored": WithstoodChange("", 1.0, None),
        "darker": WithstoodChange("factor", None, 0.8),
    }
    path = write_bundle(tmp_path / "a.onnx", tiny_contract(withstands=withstands))
    manifest = read_bundle(path).manifest
    assert change_rows(manifest) == [
        ("noise", "2", "4", "grey levels"),
        ("mirrored", "yes", "-", ""),
        ("darker", "-", "0.8", "factor"),
    ]
    text = as_printed(outcome(read_card(read_bundle(path))))
    assert all(name in text for name in withstands)


def test_shows_the_camera_conditions_of_the_model(tmp_path: Path) -> None:
    limits = {"noisy": CameraLimit("noise", 7.4, True, "noise", "grey levels", 4, 8)}
    path = write_bundle(tmp_path / "a.onnx", tiny_contract(camera_limits=limits))
    card = read_card(read_bundle(path))
    assert limit_rows(card.bundle.manifest) == [
        ("noisy", "noise", "above 7.4", "this model fails from noise 8 (grey levels)")
    ]
    assert "camera condition of this model" in as_printed(outcome(card), 250)
    assert as_json(card)["camera_limits"]["noisy"]["fails_at"] == 8


@pytest.mark.parametrize(
    ("manifest", "text"),
    [
        (tiny_contract(), "none, because the bundle has no heatmaps with known positions of the cells"),
        (mapped_contract(box_threshold=0.6), "regions of the heatmap with a value of 0.6 or more"),
        (
            mapped_contract(boxes=BoxSpec(0.45, 0.5, 0.01, [])),
            "predicted by the model; certainty of 0.45 or more (score of the cell times quality of its box)",
        ),
    ],
)
def test_shows_where_boxes_come_from(tmp_path: Path, manifest: Manifest, text: str) -> None:
    card = read_card(read_bundle(write_bundle(tmp_path / "a.onnx")))
    assert facts(replace(card, bundle=replace(card.bundle, manifest=manifest)))["boxes"] == text


def test_an_anomaly_model_needs_no_novelty_score(tmp_path: Path) -> None:
    path = write_bundle(tmp_path / "a.onnx", tiny_contract(trained_for="anomaly"))
    shown = facts(read_card(read_bundle(path)))
    assert shown["novelty score"] == "none: the worker reports frames unlike the training frames as defects"
    assert shown["unknown defects"] == "every defect is unknown to an anomaly model, and has the label anomaly"


def test_a_bundle_without_novelty_figures_says_so(tmp_path: Path) -> None:
    text = as_printed(outcome(read_card(read_bundle(write_bundle(tmp_path / "a.onnx")))), 250)
    assert "detection of unknown defects not measured" in text
    assert "class left out" not in text


@pytest.mark.parametrize(
    ("decode", "colour", "text"),
    [
        ("grey", 0, "none in the training images: the worker reports a camera whose frames gain colour"),
        ("grey", 90, "the training images have colour, which the model does not see"),
        ("rgb", 7, "none in the training images: 'fit --decode grey' makes a model that takes less time per frame"),
        ("rgb", 90, None),
        ("grey", None, None),
    ],
)
def test_states_the_colour_of_the_training_images(
    tmp_path: Path, decode: Literal["rgb", "grey"], colour: int | None, text: str | None
) -> None:
    spec = msgspec.structs.replace(tiny_contract().decode, colour=decode)
    reference = msgspec.structs.replace(TINY_REFERENCE, colour=colour)
    path = write_bundle(tmp_path / "tiny.onnx", tiny_contract(decode=spec, reference=reference))
    assert facts(read_card(read_bundle(path))).get("colour") == text
