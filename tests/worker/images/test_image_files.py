"""Scanning a folder: which files are read as images, and which are reported as skipped."""

import os
from pathlib import Path

import pytest

from stripwatch.worker.common.errors import InputError
from stripwatch.worker.images.image_files import (
    CONTENT_TYPES,
    SUFFIXES,
    content_type_of,
    list_images,
    scan_folder,
    suffix_for,
)


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")


def whys(root: Path) -> dict[str, str]:
    return {each.name: each.why for each in scan_folder(root).skipped}


def test_finds_every_suffix_in_any_case_and_in_subfolders(tmp_path: Path) -> None:
    names = [f"{number}{suffix}" for number, suffix in enumerate(CONTENT_TYPES)]
    touch(tmp_path, *names, "sub/deep/X.BMP", "sub/y.TiF")
    found = list_images(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in found.files] == [*names, "sub/deep/X.BMP", "sub/y.TiF"]
    assert (found.skipped, found.notes) == ((), [])


def test_maps_suffixes_to_content_types_and_back() -> None:
    assert content_type_of(Path("a.JFIF")) == content_type_of(Path("a.jpe")) == "image/jpeg"
    assert {suffix_for(content_type) for content_type in CONTENT_TYPES.values()} == {
        ".jpg",
        ".png",
        ".bmp",
        ".tif",
        ".webp",
    }
    assert set(SUFFIXES.values()) <= set(CONTENT_TYPES)


def test_rejects_a_media_type_that_is_not_an_image_type() -> None:
    with pytest.raises(ValueError, match="'application/json' is not the media type of a supported image format"):
        suffix_for("application/json")


def test_reports_skipped_files_with_the_reason(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.gif", "README", ".hidden.jpg", ".cache/c.jpg", "d.jpg/e.png")
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "up").symlink_to(tmp_path)
    (tmp_path / "same.jpg").symlink_to("a.jpg")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "device.png").symlink_to("/dev/null")
    (tmp_path / "to_pipe.png").symlink_to("pipe.png")
    found = list_images(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in found.files] == ["a.jpg", "d.jpg/e.png", "same.jpg"]
    assert whys(tmp_path) == {
        "b.gif": "type .gif",
        "README": "no suffix",
        ".hidden.jpg": "hidden",
        ".cache": "hidden",
        "d.jpg": "folder named like an image",
        "gone.jpg": "broken link",
        "loop.jpg": "broken link (Too many levels of symbolic links)",
        "up": "link to a folder (not followed)",
        "pipe.png": "pipe, socket or device",
        "device.png": "pipe, socket or device",
        "to_pipe.png": "pipe, socket or device",
    }
    assert found.notes[0].startswith(f"skipping 11 files or folders in {tmp_path}: ")
    assert "broken link: 1 (gone.jpg)" in found.notes[0]


def test_names_only_a_few_of_many_skipped_files(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", *(f"{number}.pdf" for number in range(5)))
    assert list_images(tmp_path).notes == [
        f"skipping 5 files or folders in {tmp_path}: type .pdf: 5 (0.pdf, 1.pdf, 2.pdf, ...)"
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_reports_a_folder_without_permission(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "shut/b.jpg")
    (tmp_path / "shut").chmod(0)
    try:
        assert whys(tmp_path) == {"shut": "folder that cannot be listed (Permission denied)"}
    finally:
        (tmp_path / "shut").chmod(0o700)


def test_reports_a_folder_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.jpg", "shut/b.jpg")
    listed = os.scandir

    def scandir(path: Path) -> object:
        if path.name == "shut":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert whys(tmp_path) == {"shut": "folder that cannot be listed (Permission denied)"}


def test_does_not_report_the_annotations_of_images(tmp_path: Path) -> None:
    touch(tmp_path, "images/a_1.jpg", "xml/a_1.xml", "labels/a_1.txt", "manifest.csv", "truth.jsonl", "classes.txt")
    touch(tmp_path, "notes.txt", "other.xml")
    assert whys(tmp_path) == {"notes.txt": "type .txt", "other.xml": "type .xml"}


def test_notes_names_that_differ_only_by_suffix_or_case(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "A.png", "b.bmp", "sub/a.jpg")
    found = list_images(tmp_path)
    assert len(found.files) == 4
    assert found.same_names == (("A.png", "a.jpg"),)
    assert found.notes[0].endswith("differ only by suffix or case, and all of them are read: A.png and a.jpg")


def test_rejects_a_folder_without_images_and_names_its_files(tmp_path: Path) -> None:
    touch(tmp_path, "a.gif", "b.GIF", "c.heic")
    with pytest.raises(
        InputError, match=r"contains no image files \(\.jpg, .*\.webp\); it contains type \.gif: 2 .*, type \.heic: 1"
    ):
        list_images(tmp_path)


def test_reports_a_name_that_is_not_utf8_as_text(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    (tmp_path / os.fsdecode(b"b\xff\n.gif")).write_bytes(b"x")
    assert whys(tmp_path) == {"b\\xff\\x0a.gif": "type .gif"}
    list_images(tmp_path).notes[0].encode()


def test_rejects_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    with pytest.raises(InputError, match=r"folder .*nowhere does not exist"):
        list_images(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is not a folder"):
        list_images(tmp_path / "a.jpg")


def test_uses_the_singular_for_one_file(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"")
    assert scan_folder(tmp_path).notes == [f"skipping 1 file or folder in {tmp_path}: type .pdf: 1 (a.pdf)"]
