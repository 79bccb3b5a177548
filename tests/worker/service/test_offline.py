"""`inspect` on a folder gives the same events without a broker."""

import itertools
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import stripwatch
from stripwatch.worker.common.errors import BundleError, InputError
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.sections import FramesSettings
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.model.bundle import Threshold
from stripwatch.worker.model.trained_range import TrainedFrames
from stripwatch.worker.pipeline.inspect.publish_stage import OutgoingFrame
from stripwatch.worker.service import offline
from stripwatch.worker.service.offline import LinesPublisher, inspect_folder
from tests.badframes import BAD_FRAMES
from tests.jpeg_files import DAMAGES, encode, texture
from tests.tiny import (
    LABELS,
    NOISY,
    NOVELTY,
    encode_frame,
    expected_scores,
    tiny_contract,
    watchful_contract,
    write_bundle,
    write_frames,
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(None, {"bundle": write_bundle(tmp_path / "tiny.onnx"), "inflight": {"frames_max": 5}})


def events(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_writes_one_event_per_file_in_order_with_the_scores_of_the_model(settings: Settings, tmp_path: Path) -> None:
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


def test_a_damaged_file_is_a_reject_or_unsure(
    settings: Settings, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    for number, damage in enumerate(DAMAGES.values()):
        damaged = damage(encode(texture(0)), encode(texture(1)))
        (tmp_path / "in" / f"{number}.jpg").write_bytes(damaged)
    inspect_folder(settings, tmp_path / "in", tmp_path / "out.jsonl")
    assert {event["reason"] for event in events(tmp_path / "out.jsonl")} == {"damaged"}
    tolerant = settings.model_copy(update={"frames": FramesSettings(damaged="flag")})
    summary = inspect_folder(tolerant, tmp_path / "in", tmp_path / "out.jsonl", force=True)
    assert (summary["rejects"], summary["unsure"]) == (0, len(DAMAGES))
    for event in events(tmp_path / "out.jsonl"):
        assert (event["verdict"], event["flags"], event["defects"]) == ("unsure", ["damaged"], [])
    assert "Corrupt" not in capfd.readouterr().err


def test_does_not_replace_an_existing_file_without_force(settings: Settings, tmp_path: Path) -> None:
    write_frames(tmp_path / "in", [0.5])
    (tmp_path / "out.jsonl").write_text("precious")
    with pytest.raises(InputError, match="--force"):
        inspect_folder(settings, tmp_path / "in", tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text() == "precious"
    inspect_folder(settings, tmp_path / "in", tmp_path / "out.jsonl", force=True)
    assert len(events(tmp_path / "out.jsonl")) == 1


def test_names_missing_folders_and_files(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        inspect_folder(settings, tmp_path / "nothing", tmp_path / "out.jsonl")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty contains no image files"):
        inspect_folder(settings, tmp_path / "empty", tmp_path / "out.jsonl")
    write_frames(tmp_path / "in", [0.5])
    with pytest.raises(InputError, match="cannot write"):
        inspect_folder(settings, tmp_path / "in", tmp_path / "missing" / "out.jsonl")


def test_accepts_file_names_of_any_bytes(settings: Settings, tmp_path: Path) -> None:
    folders = [b"cam\xff\xfe", b"cam\\xff\\xfe", b"two\nlines", b'it\'s "quoted"', "😀".encode(), b"n" * 255]
    for folder in folders:
        write_frames(tmp_path / "in" / os.fsdecode(folder), [0.5])
    (frame,) = write_frames(tmp_path / "in", [0.5])
    frame.rename(os.fsdecode(os.fsencode(tmp_path / "in") + b"/a\xff.png"))
    summary = inspect_folder(settings, tmp_path / "in", tmp_path / "out.jsonl")
    assert summary["frames"] == summary["results"] == 7
    frames = [event["frame"] for event in events(tmp_path / "out.jsonl")]
    assert {frame["file"] for frame in frames} >= {"a\\xff.png", "cam\\xff\\xfe/grey_0000.png"}  # type: ignore[index]
    assert {frame["camera"] for frame in frames} == {  # type: ignore[index]
        "in",
        "cam\\xff\\xfe",
        "cam\\x5cxff\\x5cxfe",
        "two\\x0alines",
        'it\'s "quoted"',
        "😀",
        "n" * 255,
    }


def test_accepts_a_folder_name_of_any_bytes(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"in\xff")
    write_frames(folder, [0.5])
    summary = inspect_folder(settings, folder, tmp_path / os.fsdecode(b"out\xff.jsonl"))
    assert summary["results"] == 1
    assert events(tmp_path / os.fsdecode(b"out\xff.jsonl"))[0]["frame"]["camera"] == "in\\xff"  # type: ignore[index]


def test_counts_and_names_other_files(settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_frames(tmp_path / "in", [0.5])
    (tmp_path / "in" / "a.gif").write_bytes(b"GIF89a")
    summary = inspect_folder(settings, tmp_path / "in", tmp_path / "out.jsonl")
    assert (summary["frames"], summary["files_skipped"]) == (1, 1)
    assert summary["file_counts"] == {"used": 1, "skipped": {"type .gif": {"files": 1, "first": ["a.gif"]}}}
    assert "type .gif: 1 (a.gif)" in capsys.readouterr().err


def test_skips_a_file_that_cannot_be_read(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = write_frames(tmp_path / "in", [0.5, 0.5, 0.5])
    read_bytes = Path.read_bytes

    def read(path: Path) -> bytes:
        if path == files[1]:
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", read)
    summary = inspect_folder(settings, tmp_path / "in", tmp_path / "out.jsonl")
    assert (summary["frames"], summary["results"], summary["files_skipped"]) == (2, 2, 1)
    assert summary["file_counts"] == {"used": 2, "skipped": {"cannot be read": {"files": 1, "first": [files[1].name]}}}
    assert f"skipping one file: cannot read {files[1]}: Permission denied" in capsys.readouterr().err


@pytest.mark.parametrize(("count", "sentence"), [(1, "the only image file in"), (3, "none of the 3 image files in")])
def test_a_folder_without_readable_images_is_an_error(
    count: int, sentence: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write_frames(tmp_path / "in", [0.5] * count)
    read_bytes = Path.read_bytes

    def read(path: Path) -> bytes:
        if path in files:
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", read)
    with pytest.raises(InputError, match=sentence) as error:
        inspect_folder(settings, tmp_path / "in", tmp_path / "out.jsonl")
    assert error.value.exit_code == 6
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("written_s", [-1, 0, 4_000_000_000, 253_402_300_800 + 10**9])
def test_replaces_an_implausible_file_time_with_the_time_of_the_inspection(
    written_s: int,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Reproducible archives contain files of 1970, and a broken clock can write years beyond 9999."""
    old, usual = write_frames(tmp_path / "in", [0.5, 0.5])
    stat = Path.stat

    def with_time(path: Path, **options: Any) -> Any:
        found = stat(path, **options)
        return SimpleNamespace(st_mtime=float(written_s), st_mode=found.st_mode) if path == old else found

    monkeypatch.setattr(Path, "stat", with_time)
    ids = []
    for out in (tmp_path / "1.jsonl", tmp_path / "2.jsonl"):
        summary = inspect_folder(settings, tmp_path / "in", out)
        assert (summary["results"], summary["file_times_unknown"]) == (2, 1)
        found = {event["frame"]["file"]: event for event in events(out)}  # type: ignore[index]
        year = found[old.name]["frame"]["captured_at"][:4]  # type: ignore[index]
        assert year == found[usual.name]["frame"]["captured_at"][:4]  # type: ignore[index]
        ids.append([event["id"] for event in found.values()])
    assert ids[0] == ids[1]
    assert "note: files with a modification time before 2000 or in the future: 1;" in capsys.readouterr().err


def test_an_error_leaves_the_events_in_a_file_named_as_incomplete(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_frames(tmp_path / "in", [0.5] * 20)
    publish = LinesPublisher.publish
    count = itertools.count()

    def fail_at_the_tenth(self: LinesPublisher, outgoing: OutgoingFrame) -> None:
        if next(count) == 9:
            raise ValueError("broken event")
        publish(self, outgoing)

    monkeypatch.setattr(LinesPublisher, "publish", fail_at_the_tenth)
    with pytest.raises(ValueError, match="broken event"):
        inspect_folder(settings, tmp_path / "in", tmp_path / "out.jsonl")
    assert not (tmp_path / "out.jsonl").exists()
    assert len(events(tmp_path / "out.jsonl.part")) == 9
    assert f"{tmp_path / 'out.jsonl.part'} is incomplete" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_a_full_disk_gives_a_one_line_error(settings: Settings, tmp_path: Path) -> None:
    write_frames(tmp_path / "in", [0.5])
    (tmp_path / "out.jsonl.part").symlink_to("/dev/full")
    with pytest.raises(InputError, match="No space left"):
        inspect_folder(settings, tmp_path / "in", tmp_path / "out.jsonl")


def test_rejects_an_output_that_is_a_folder_before_the_work(settings: Settings, tmp_path: Path) -> None:
    write_frames(tmp_path / "in", [0.5])
    with pytest.raises(InputError, match="is a folder"):
        inspect_folder(settings, tmp_path / "in", tmp_path, force=True)


def test_an_invalid_bundle_leaves_no_file(settings: Settings, tmp_path: Path) -> None:
    write_frames(tmp_path / "in", [0.5])
    (tmp_path / "tiny.onnx").write_bytes(b"x")
    with pytest.raises(BundleError):
        inspect_folder(settings, tmp_path / "in", tmp_path / "out.jsonl")
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("untrained_size", ["flag", "reject", "accept"])
def test_names_frames_of_an_untrained_size_before_the_inspection(
    untrained_size: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_frames(tmp_path / "in", [0.1])
    (tmp_path / "in" / "wide.png").write_bytes(encode_frame(0.1, (32, 480)))
    contract = tiny_contract(trained=TrainedFrames.of([(48, 32)]))
    given = {"bundle": write_bundle(tmp_path / "tiny.onnx", contract), "frames": {"untrained_size": untrained_size}}
    summary = inspect_folder(load_settings(None, given), tmp_path / "in", tmp_path / "out.jsonl")
    usual, wide = events(tmp_path / "out.jsonl")
    stderr = capsys.readouterr().err
    assert (usual["verdict"], usual["flags"]) == ("defect", [])
    if untrained_size == "flag":
        assert (wide["verdict"], wide["label"], wide["defects"], wide["flags"]) == ("unsure", "dark", [], ["size"])
        assert summary["flags"] == {"size": 1}
        assert "1 of 2 frames differ in size from the training frames (48 x 32 px): 1 of 480 x 32 px" in stderr
    elif untrained_size == "reject":
        assert (wide["reason"], summary["flags"], summary["rejects"]) == ("untrained_size", {}, 1)
        assert "they are rejected" in stderr
    else:
        assert (wide["verdict"], summary["flags"], stderr) == ("defect", {}, "")


def test_checks_a_sample_of_a_large_folder_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(offline, "_FILES_CHECKED_MAX", 3)
    write_frames(tmp_path / "in", [0.1] * 7)
    contract = tiny_contract(trained=TrainedFrames.of([(480, 32)]))
    settings = load_settings(None, {"bundle": write_bundle(tmp_path / "tiny.onnx", contract)})
    summary = inspect_folder(settings, tmp_path / "in", tmp_path / "out.jsonl")
    assert summary["flags"] == {"size": 7}
    stderr = capsys.readouterr().err
    assert "3 of 3 frames differ in size" in stderr
    assert "; checked 3 of 7 files so far" in stderr


def test_counts_the_reasons_of_unsure_frames(tmp_path: Path) -> None:
    write_frames(tmp_path / "in", [0.1, 0.3, 0.9])
    (tmp_path / "in" / "new.png").write_bytes(encode_frame(0.9, noise=NOISY))
    bundle = write_bundle(
        tmp_path / "tiny.onnx", watchful_contract(thresholds=dict.fromkeys(LABELS, Threshold(0.9, 0.2)))
    )
    summary = inspect_folder(load_settings(None, {"bundle": bundle}), tmp_path / "in", tmp_path / "out.jsonl")
    assert summary["unsure_reasons"] == {"novel": 1, "score": 1}
    lines = (tmp_path / "out.jsonl").read_bytes().splitlines()
    by_file = {event["frame"]["file"]: event for event in map(json.loads, lines)}
    novel = by_file["new.png"]
    assert (novel["verdict"], novel["reason"], novel["label"], novel["defects"]) == ("unsure", "novel", "bright", [])
    assert novel["novelty"] > novel["model"]["novelty_threshold"] == NOVELTY.threshold
    decoded = {event.frame.file: event for event in map(stripwatch.decode_result, lines)}
    assert (decoded["new.png"].reason, decoded["new.png"].novelty) == ("novel", novel["novelty"])
    others = [str(event["reason"]) for name, event in by_file.items() if name != "new.png"]
    assert sorted(others) == ["None", "None", "score"]
