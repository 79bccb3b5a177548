import json
from pathlib import Path

import pytest

from stripwatch.export.bench.bundle_bench import BenchPlan, BenchRow, as_json, bench_bundles, devices_here
from stripwatch.export.bundles.registry import promote
from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.common.terminal.console import new_progress
from stripwatch.worker.contracts.model.model_record import Fidelity
from tests.tiny import NOVELTY, mapped_contract, tiny_contract, watchful_contract, write_bundle

PLAN = BenchPlan(batch_sizes=(1, 2), seconds=0.01, devices=("cpu",), scores_only=True)


def test_measures_files_and_registry_names_with_and_without_heatmaps(tmp_path: Path) -> None:
    promote(tmp_path / "store", write_bundle(tmp_path / "plain.onnx"))
    maps = write_bundle(tmp_path / "maps.onnx", mapped_contract())
    with new_progress() as progress:
        rows = bench_bundles([tmp_path / "store" / "tiny", maps], PLAN, progress)
    assert [(Path(row.bundle).name, row.scores_only) for row in rows] == [
        ("1.onnx", False),
        ("maps.onnx", False),
        ("maps.onnx", True),
    ]
    assert all(row.first.batch_frames == 1 and row.best in row.speeds for row in rows)
    summary = as_json(rows, PLAN)
    assert summary["rows"][1]["size_bytes"] == maps.stat().st_size
    assert [speed["batch_frames"] for speed in summary["rows"][0]["speeds"]] == [1, 2]
    assert summary["machine"]["cores"] >= 1


def test_a_novelty_score_is_measured_in_every_variant(tmp_path: Path) -> None:
    watchful = write_bundle(tmp_path / "watchful.onnx", watchful_contract())
    both = write_bundle(tmp_path / "both.onnx", mapped_contract(novelty=NOVELTY))
    with new_progress() as progress:
        rows = bench_bundles([watchful, both], PLAN, progress)
    assert [(Path(row.bundle).name, row.scores_only) for row in rows] == [
        ("watchful.onnx", False),
        ("both.onnx", False),
        ("both.onnx", True),
    ]


def test_rejects_a_forged_bundle(tmp_path: Path) -> None:
    forged = write_bundle(tmp_path / "forged.onnx", tiny_contract(labels=["grey", "dark", "bright"]))
    with new_progress() as progress, pytest.raises(BundleError, match="is labelled"):
        bench_bundles([forged], PLAN, progress)


def test_writes_nan_of_a_rejected_candidate_as_null() -> None:
    fidelity = Fidelity(3, 0.0, float("nan"), 0.0, 0.0, 1.0, 1.0, "broken")
    row = BenchRow("a.onnx", "int8", None, fidelity, refused="score difference is nan")
    (summary,) = as_json([row], PLAN)["rows"]
    assert summary["fidelity"]["score_difference"] is None
    json.dumps(summary, allow_nan=False)


def test_the_cpu_is_always_available() -> None:
    assert devices_here()[0] == "cpu"
