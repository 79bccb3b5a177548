from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from stripwatch.export.bundles.diff import as_json, compare, draw_differing, facts
from stripwatch.export.reporting.figures import Tile
from stripwatch.worker.common.errors import BundleError, InputError
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.model.bundle import Threshold
from stripwatch.worker.model.trained_range import TrainedFrames
from tests.tiny import CENTRES, NOISY, SPEC, encode_frame, tiny_contract, watchful_contract, write_bundle, write_frames

BRIGHTNESSES = (0.1, 0.5, 0.72, 0.9)


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    write_frames(tmp_path / "frames", BRIGHTNESSES)
    return tmp_path / "frames"


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "plain.onnx")


def test_a_bundle_agrees_with_itself_under_another_decode_spec(plain: Path, frames: Path, tmp_path: Path) -> None:
    linear = tiny_contract(decode=DecodeSpec(13, SPEC.width_px, interpolation="linear"))
    found = compare(plain, write_bundle(tmp_path / "linear.onnx", linear), frames)
    summary = as_json(found)
    assert (summary["frames"], summary["agreement"], summary["same_label"], summary["differing"]) == (4, 1.0, 1.0, [])
    assert 0 < summary["score_difference"] < 0.1


def test_a_bundle_is_identical_to_itself(plain: Path, frames: Path) -> None:
    found = compare(plain, plain, frames, "cpu")
    assert found.identical
    assert as_json(found)["score_difference"] == 0


def test_another_threshold_changes_the_verdict_but_not_the_label(plain: Path, frames: Path, tmp_path: Path) -> None:
    strict = replace(tiny_contract(), thresholds={label: Threshold(0.99, 0.5) for label in tiny_contract().labels})
    found = compare(plain, write_bundle(tmp_path / "strict.onnx", strict), frames)
    summary = as_json(found)
    assert summary["same_label"] == 1
    assert summary["score_difference"] == 0
    assert summary["file_counts"] == {"used": 4, "skipped": {}}
    assert {pair.name for pair in found.differing} >= {"bright_0002.png"}
    assert summary["agreement"] == 1 - len(found.differing) / 4


def test_a_bundle_is_unsure_of_a_frame_of_an_untrained_size(plain: Path, frames: Path, tmp_path: Path) -> None:
    other = write_bundle(tmp_path / "other.onnx", tiny_contract(trained=TrainedFrames.of([(200, 200)])))
    summary = as_json(compare(plain, other, frames))
    assert (summary["trained_a"], summary["trained_b"]) == (None, "200 x 200 px")
    assert (summary["same_label"], summary["score_difference"]) == (1, 0)
    assert all(" unsure: " in f" {each['b']}" for each in summary["differing"])
    assert summary["agreement"] < 1


def test_the_sheet_shows_each_differing_frame_with_both_results(
    plain: Path, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bundle B classifies grey as a defect and dark as clean."""
    found = compare(plain, write_bundle(tmp_path / "other.onnx", tiny_contract(clean_label="dark")), frames)
    assert draw_differing(found, frames).startswith(b"\x89PNG")
    drawn: list[Tile] = []

    def note(title: str, tiles: list[Tile]) -> bytes:
        drawn.extend(tiles)
        return title.encode()

    monkeypatch.setattr("stripwatch.export.reporting.figures.draw_sheet", note)
    assert draw_differing(found, frames) == b"2 of 4 frames have different results"
    captions = [tile.caption.splitlines() for tile in drawn]
    assert sorted(name for name, *_ in captions) == ["dark_0000.png", "grey_0001.png"]
    for _, a, b in captions:
        assert {a.split()[1], b.split()[1]} == {"clean:", "defect:"}


def test_counts_labels_known_to_only_one_bundle_as_a_difference(plain: Path, frames: Path, tmp_path: Path) -> None:
    renamed = [golden_renamed for golden_renamed in tiny_contract().golden if golden_renamed.label != "bright"]
    manifest = tiny_contract(
        labels=["dark", "grey", "white"],
        thresholds={label: Threshold() for label in ("dark", "grey", "white")},
        golden=renamed,
    )
    found = compare(plain, write_bundle(tmp_path / "renamed.onnx", manifest), frames)
    assert {pair.name for pair in found.differing} == {"bright_0002.png", "bright_0003.png"}
    assert found.differing[0].score_difference > 0.9


def test_counts_and_skips_files_that_cannot_be_decoded(plain: Path, frames: Path) -> None:
    (frames / "broken.png").write_bytes(encode_frame(CENTRES[0])[:60])
    found = compare(plain, plain, frames)
    assert (len(found.pairs), found.rejected) == (4, ["broken.png"])
    for path in frames.glob("*_*.png"):
        path.unlink()
    with pytest.raises(InputError, match=r"no image in .* can be decoded by both bundles"):
        compare(plain, plain, frames)


def test_names_an_invalid_bundle(plain: Path, frames: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"gone\.onnx"):
        compare(plain, tmp_path / "gone.onnx", frames)


def test_scores_equal_those_of_the_worker(plain: Path, frames: Path) -> None:
    (first, *_) = compare(plain, plain, frames).pairs
    assert np.isclose(sum(first.a.scores.values()), 1, atol=1e-5)
    assert first.a.label == "bright"


def test_states_how_many_frames_each_bundle_calls_novel(plain: Path, frames: Path, tmp_path: Path) -> None:
    (frames / "new.png").write_bytes(encode_frame(0.9, noise=NOISY))
    watchful = write_bundle(tmp_path / "watchful.onnx", watchful_contract())
    found = compare(plain, watchful, frames)
    summary = as_json(found)
    assert (summary["novel_a"], summary["novel_b"]) == (None, 0.2)
    (differing,) = summary["differing"]
    assert differing["frame"] == "new.png"
    assert differing["a"].startswith("defect: bright 0.")
    assert differing["b"].startswith("unsure (novel): bright 0.")
    assert facts(found, plain, watchful)["novel"] == "A no novelty score, B 20.00%"
    assert "novel" not in facts(compare(plain, plain, frames), plain, plain)
