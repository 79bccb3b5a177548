"""inspect over a folder: the same events, without a broker."""

import json
import os
from pathlib import Path

import pytest

from stripwatch.worker.common.errors import BundleError, InputError
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.service.offline import inspect_folder
from tests.badframes import BAD_FRAMES
from tests.tiny import LABELS, expected_scores, write_bundle, write_frames


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(None, {"bundle": write_bundle(tmp_path / "tiny.onnx"), "inflight": {"frames_max": 5}})


def events(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_file_has_one_event_in_order_with_the_scores_of_the_model(settings: Settings, tmp_path: Path) -> None:
    files = write_frames(tmp_path / "in" / "top-1", [i / 30 for i in range(31)])
    summary = inspect_folder(settings, tmp_path / "in", tmp_path / "out.jsonl")
    found = events(tmp_path / "out.jsonl")
    assert [event["frame"]["file"] for event in found] == sorted(f"top-1/{file.name}" for file in files)  # type: ignore[index]
    for event, file in zip(found, sorted(files), strict=True):
        expected = dict(zip(LABELS, expected_scores(file.read_bytes()), strict=True))
        assert event["scores"] == pytest.approx(expected, abs=1e-5)
        assert event["label"] == file.name.rsplit("_", 1)[0]
    assert (summary["frames"], summary["results"], summary["rejects"]) == (31, 31, 0)
    assert sum(summary["labels"].values()) == 31
    assert summary["clean"] + summary["unsure"] + summary["defect"] == 31


def test_bad_files_are_rejects_and_named(settings: Settings, tmp_path: Path) -> None:
    write_frames(tmp_path / "in", [0.5])
    for number, (value, _) in enumerate(BAD_FRAMES.values()):
        (tmp_path / "in" / f"z{number:02d}.JPG").write_bytes(value or b"")
    summary = inspect_folder(settings, tmp_path / "in", tmp_path / "out.jsonl")
    rejects = [event for event in events(tmp_path / "out.jsonl") if event["schema"] == "stripwatch.reject/1"]
    assert [event["reason"] for event in rejects] == [reason for _, reason in BAD_FRAMES.values()]
    assert rejects[0]["frame"]["file"] == "z00.JPG"  # type: ignore[index]
    assert (summary["results"], summary["rejects"]) == (1, len(BAD_FRAMES))


def test_a_file_that_is_there_is_not_replaced_unless_asked_to(settings: Settings, tmp_path: Path) -> None:
    write_frames(tmp_path / "in", [0.5])
    (tmp_path / "out.jsonl").write_text("precious")
    with pytest.raises(InputError, match="--force"):
        inspect_folder(settings, tmp_path / "in", tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text() == "precious"
    inspect_folder(settings, tmp_path / "in", tmp_path / "out.jsonl", force=True)
    assert len(events(tmp_path / "out.jsonl")) == 1


def test_folders_and_files_that_are_not_there_are_named(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        inspect_folder(settings, tmp_path / "nothing", tmp_path / "out.jsonl")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty has no \.jpg"):
        inspect_folder(settings, tmp_path / "empty", tmp_path / "out.jsonl")
    write_frames(tmp_path / "in", [0.5])
    with pytest.raises(InputError, match="cannot write"):
        inspect_folder(settings, tmp_path / "in", tmp_path / "missing" / "out.jsonl")


def test_a_name_that_is_not_utf8_is_still_a_name(settings: Settings, tmp_path: Path) -> None:
    (frame,) = write_frames(tmp_path / "in", [0.5])
    frame.rename(os.fsdecode(os.fsencode(tmp_path / "in") + b"/a\xff.png"))
    inspect_folder(settings, tmp_path / "in", tmp_path / "out.jsonl")
    assert events(tmp_path / "out.jsonl")[0]["frame"]["file"] == "a\\xff.png"  # type: ignore[index]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a disk that is always full")
def test_a_full_disk_is_one_sentence(settings: Settings, tmp_path: Path) -> None:
    write_frames(tmp_path / "in", [0.5])
    (tmp_path / "out.jsonl.part").symlink_to("/dev/full")
    with pytest.raises(InputError, match="No space left"):
        inspect_folder(settings, tmp_path / "in", tmp_path / "out.jsonl")


def test_an_out_that_is_a_folder_is_refused_before_the_work(settings: Settings, tmp_path: Path) -> None:
    write_frames(tmp_path / "in", [0.5])
    with pytest.raises(InputError, match="is a folder"):
        inspect_folder(settings, tmp_path / "in", tmp_path / "in", force=True)


def test_an_unfit_bundle_leaves_no_file(settings: Settings, tmp_path: Path) -> None:
    write_frames(tmp_path / "in", [0.5])
    (tmp_path / "tiny.onnx").write_bytes(b"x")
    with pytest.raises(BundleError):
        inspect_folder(settings, tmp_path / "in", tmp_path / "out.jsonl")
    assert not list(tmp_path.glob("out*"))
