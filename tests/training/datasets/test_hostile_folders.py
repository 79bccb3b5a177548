"""Damaged tables and odd folders end with a data set or with a message, never with another error."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stripwatch.training.datasets.dataset import DataSet, read_dataset
from stripwatch.worker.common.errors import StripwatchError

MANIFEST = "file,label,coil\npits/1.png,pits,C1\npits/2.png,pits|rust,C1\nrust/3.png,rust,C2\n"
SEVERSTAL = "ImageId,ClassId,EncodedPixels\na.jpg,1,1 3 9 9\na.jpg,3,5 6\nb.jpg,4,100 7\nc.jpg,,\n"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("folders")
    for name in ("m/pits/1.png", "m/pits/2.png", "m/rust/3.png", *(f"s/train_images/{each}.jpg" for each in "abc")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def read(root: Path, table: str, content: bytes) -> DataSet | str:
    """Return the data set with this table, or the text of the error."""
    path = root / table
    path.write_bytes(content)
    try:
        return read_dataset(path.parent)
    except StripwatchError as error:
        return str(error)


TABLES = [("m/manifest.csv", MANIFEST), ("s/train.csv", SEVERSTAL)]


@pytest.mark.parametrize(("table", "text"), TABLES)
def test_a_byte_order_mark_and_windows_lines_change_nothing(root: Path, table: str, text: str) -> None:
    plain = read(root, table, text.encode())
    assert isinstance(plain, DataSet), plain
    other = read(root, table, b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert isinstance(other, DataSet), other
    assert other.samples == plain.samples


@pytest.mark.parametrize(("table", "text"), TABLES)
@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_other_encodings_are_named(root: Path, table: str, text: str, encoding: str) -> None:
    found = read(root, table, text.encode(encoding))
    assert isinstance(found, str)
    assert f"it is {encoding.upper()} text; save it as UTF-8" in found


@pytest.mark.parametrize(("table", "text"), TABLES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 120), at=st.integers(0, 120), inserted=st.binary(max_size=5))
def test_damaged_tables_end_with_samples_or_a_message(
    root: Path, table: str, text: str, cut: int, at: int, inserted: bytes
) -> None:
    content = text.encode()
    read(root, table, content[:cut])
    read(root, table, content[:at] + inserted + content[at + len(inserted) :])
    read(root, table, content[:at] + inserted + content[at:])


@pytest.mark.parametrize(
    "text", ["1 999999999999999999999", "9" * 5000 + " 1", "-1 3", "1 3 1e3 4", "1.0 3", "\u0661 3"]
)
def test_odd_run_lengths_are_named(root: Path, text: str) -> None:
    found = read(root, "s/train.csv", f"ImageId,ClassId,EncodedPixels\na.jpg,1,{text}\nb.jpg,2,1 3\n".encode())
    assert isinstance(found, str)
    assert "line 2" in found


def test_links_in_a_circle_and_suffixes_in_capitals(tmp_path: Path) -> None:
    for name in ("pits/1.PNG", "rust/2.JPG"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    (tmp_path / "pits" / "again").symlink_to(tmp_path)
    (tmp_path / "rust" / "self.png").symlink_to(tmp_path / "rust" / "self.png")
    found = read_dataset(tmp_path)
    assert [sample.name for sample in found.samples] == ["pits/1.PNG", "rust/2.JPG"]
    assert "2 skipped" in found.files.text
