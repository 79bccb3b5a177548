from pathlib import Path

import pytest

from stripwatch.worker.common.errors import InputError
from stripwatch.worker.simulator.replay import Playback, find_images
from tests.worker.conftest import CommandLine, consume, last_json, read_lines


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "images"
    (root / "sub").mkdir(parents=True)
    (root / "b.jpg").write_bytes(b"\xff\xd8 cut off")
    (root / "a.PNG").write_bytes(b"")
    (root / "sub" / "c.jpeg").write_bytes(b"third")
    (root / "notes.txt").write_text("no image")
    return root


def test_sends_files_in_order_and_unmodified(folder: Path, line_broker: str, command_line: CommandLine) -> None:
    sent_path = folder.parent / "sent.jsonl"
    code, stdout, stderr = command_line(
        *("replay", folder, "--bootstrap-servers", line_broker, "--cameras", "2", "--rate", "0"),
        *("--coil", "C9", "--mm-per-frame", "40", "--sent", sent_path),
    )
    assert code == 0, stderr
    assert "type .txt: 1 (notes.txt)" in stderr
    assert last_json(stdout) | {"frames_sent": 3, "files": 3, "files_skipped": 1} == last_json(stdout)
    skipped = {"type .txt": {"files": 1, "first": ["notes.txt"]}}
    assert last_json(stdout)["file_counts"] == {"used": 3, "skipped": skipped}
    assert "3 used, 1 skipped: type .txt: 1 (notes.txt)" in stderr
    records = sorted(consume(line_broker, 3), key=lambda record: record.value)
    assert [record.value for record in records] == [b"", b"third", b"\xff\xd8 cut off"]
    assert [record.key for record in records] == [b"top-1", b"top-1", b"top-2"]
    headers = [dict(record.headers) for record in records]
    assert [each["content-type"] for each in headers] == [b"image/png", b"image/jpeg", b"image/jpeg"]
    assert [each["ce_strippositionmm"] for each in headers] == [b"0", b"40", b"0"]
    assert {each["ce_subject"] for each in headers} == {b"C9"}
    sent = {line["file"]: line for line in read_lines(sent_path)}
    assert set(sent) == {"a.PNG", "b.jpg", "sub/c.jpeg"}
    assert all(line["label"] is None and line["boxes"] == [] for line in sent.values())


def test_loop_repeats_the_folder(folder: Path) -> None:
    shots = Playback(find_images(folder)).shots(loop=True)
    assert [next(shots).file for _ in range(5)] == ["a.PNG", "b.jpg", "sub/c.jpeg", "a.PNG", "b.jpg"]


def test_reports_a_deleted_file_and_sends_the_others(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    playback = Playback(find_images(folder))
    (folder / "b.jpg").unlink()
    assert [shot.file for shot in playback.shots(loop=False)] == ["a.PNG", "sub/c.jpeg"]
    assert playback.unreadable == {folder / "b.jpg"}
    assert "b.jpg: No such file" in capsys.readouterr().err


def test_loop_ends_if_all_files_were_deleted(folder: Path) -> None:
    playback = Playback(find_images(folder))
    for path in playback.images.files:
        path.unlink()
    with pytest.raises(InputError, match=r"cannot read any image file in"):
        next(playback.shots(loop=True))


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("nowhere", "does not exist"),
        ("images/b.jpg", "is not a folder"),
        ("empty", "contains no image files (.jpg, .jpeg, .jfif"),
    ],
)
def test_folder_without_images_is_an_input_error(
    path: str, sentence: str, folder: Path, command_line: CommandLine
) -> None:
    (folder.parent / "empty").mkdir()
    code, stdout, stderr = command_line("replay", folder.parent / path, "--bootstrap-servers", "127.0.0.1:1")
    assert (code, stdout) == (6, "")
    assert sentence in stderr
    assert str(folder.parent / path) in stderr


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ("old.jsonl", "already exists; name a new file, or remove it"),
        ("folder", "is a folder; name a file"),
        ("no/sent.jsonl", "does not exist; create it first"),
    ],
)
def test_a_sent_file_that_cannot_be_written_is_an_error_before_kafka_is_contacted(
    sent: str, sentence: str, folder: Path, tmp_path: Path, command_line: CommandLine
) -> None:
    (tmp_path / "old.jsonl").write_text("kept")
    (tmp_path / "folder").mkdir()
    arguments = ("--bootstrap-servers", "127.0.0.1:1", "--sent", tmp_path / sent)
    for command in (("replay", folder), ("simulate",)):
        code, stdout, stderr = command_line(*command, *arguments)
        assert (code, stdout) == (6, "")
        assert sentence in stderr
    assert (tmp_path / "old.jsonl").read_text() == "kept"


def test_error_names_a_missing_topic_and_the_remedy(folder: Path, empty_broker: str, command_line: CommandLine) -> None:
    code, stdout, stderr = command_line("replay", folder, "--bootstrap-servers", empty_broker)
    assert (code, stdout) == (2, "")
    assert f"topic inspection.frames does not exist at {empty_broker}; create it with 'stripwatch topics" in stderr
