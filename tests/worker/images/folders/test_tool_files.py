"""What systems and tools leave in folders of images is skipped, and nothing that a person may have named a class."""

import pytest

from stripwatch.worker.images.folders.tool_files import why_left, why_written


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("__MACOSX", "left by the operating system"),
        ("System Volume Information", "left by the operating system"),
        ("lost+found", "left by the operating system"),
        ("FOUND.000", "left by the operating system"),
        ("$RECYCLE.BIN", "recycle bin"),
        ("#recycle", "recycle bin"),
        ("@eaDir", "left by a file server"),
        ("Strip Previews.lrdata", "thumbnails or catalogue of a photo program"),
        ("thumbnails", "thumbnails or catalogue of a photo program"),
        ("__pycache__", "files of a program"),
        ("wandb", "output of a training program"),
    ],
)
def test_folders_of_tools(name: str, why: str) -> None:
    assert why_left(name, is_folder=True) == why


@pytest.mark.parametrize(
    "name", ["Thumbs.db", "desktop.ini", "Icon\r", "AlbumArtSmall.jpg", "README.png", "Strip.lrcat"]
)
def test_files_of_tools(name: str) -> None:
    assert why_left(name, is_folder=False)


@pytest.mark.parametrize("name", ["pits", "recycled scale", "thumbprint", "found", "readme", "labels", "#1", "@1", "1"])
def test_folders_that_may_be_classes(name: str) -> None:
    assert why_left(name, is_folder=True) is None


def test_a_folder_with_the_files_of_a_program_was_written_by_it() -> None:
    assert why_written(["img.png", "label.png", "label_names.txt"]) == "output of labelme"
    assert why_written(["survey.json", "contact-1-pits.png"]) == "output of stripwatch"
    assert why_written(["img.png", "pits_1.png"]) is None
