import pytest

from stripwatch.training.datasets.formats.image_index import AmbiguousImageError, ImageIndex

INDEX = ImageIndex(["pits/1.jpg", "rust/1.jpg", "pits/2.png", "pits/2.5.png", "b/3.png"])


@pytest.mark.parametrize(
    ("image", "suffixed", "found"),
    [
        ("2.png", True, "pits/2.png"),
        ("2.jpg", True, "pits/2.png"),  # converted since
        ("2", False, "pits/2.png"),
        ("2.5", False, "pits/2.5.png"),
        ("other/2", False, "pits/2.png"),
        ("labels/rust/1", False, "rust/1.jpg"),
        ("C:\\data\\rust\\1.jpg", True, "rust/1.jpg"),
        ("4.png", True, None),
    ],
)
def test_finds_the_image_by_name_and_folder(image: str, suffixed: bool, found: str | None) -> None:
    assert INDEX.find(image, suffixed) == found


def test_two_images_of_the_same_name_are_ambiguous() -> None:
    with pytest.raises(AmbiguousImageError, match=r"pits/1\.jpg and rust/1\.jpg have the same name"):
        INDEX.find("1", suffixed=False)
