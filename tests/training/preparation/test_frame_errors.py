from pathlib import Path

import pytest

from stripwatch.training.datasets.dataset import read_dataset
from stripwatch.training.datasets.samples import Sample
from stripwatch.training.preparation.frame_errors import contradictions, find_errors, require_usable
from stripwatch.training.preparation.frame_set import FrameSet, read_frame_set
from stripwatch.worker.common.errors import DataError, InputError
from stripwatch.worker.images.decode_spec import DecodeSpec
from tests.trained import write_textures

SPEC = DecodeSpec(16, 16)


def read(folder: Path) -> FrameSet:
    return read_frame_set(read_dataset(folder), SPEC, lambda: None)


def test_finds_one_picture_with_two_labels(tmp_path: Path) -> None:
    write_textures(tmp_path, 3)
    (tmp_path / "plain_9.png").write_bytes((tmp_path / "spots_1.png").read_bytes())
    found = read(tmp_path)
    assert [
        (found.samples[a].name, found.samples[b].name) for a, b in contradictions(found.samples, found.digests)
    ] == [("plain_9.png", "spots_1.png")]
    with pytest.raises(DataError, match=r"plain_9\.png \(plain\) and spots_1\.png \(spots\) are the same picture with"):
        require_usable(found, find_errors(found, SPEC))


def test_identical_pictures_with_the_same_labels_agree(tmp_path: Path) -> None:
    write_textures(tmp_path, 2)
    digests = read(tmp_path).digests[:1] * 3
    samples = [Sample("a_1", ("a",)), Sample("a_2", ("a",)), Sample("b_1", ("b",))]
    assert contradictions(samples, digests) == [(0, 2)]


def test_reports_all_kinds_of_errors_at_once(tmp_path: Path) -> None:
    write_textures(tmp_path, 3)
    (tmp_path / "plain_9.png").write_bytes((tmp_path / "spots_1.png").read_bytes())
    for number in range(7):
        (tmp_path / f"spots_{10 + number}.png").write_bytes(b"no picture")
    found = read(tmp_path)
    with pytest.raises(DataError) as raised:
        require_usable(found, find_errors(found, SPEC))
    text = str(raised.value)
    assert text.startswith(f"2 problems in {tmp_path}: 7 files cannot be used: ")
    assert "spots_10.png: unsupported_format" in text
    assert "; and 2 more; replace or remove them; plain_9.png (plain) and spots_1.png (spots) are" in text


def test_a_single_unreadable_file_raises_its_own_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_textures(tmp_path, 3)
    read_bytes = Path.read_bytes

    def deny(path: Path) -> bytes:
        if path.name == "plain_1.png":
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", deny)
    found = read(tmp_path)
    with pytest.raises(InputError, match=r"plain_1\.png: Permission denied"):
        require_usable(found, find_errors(found, SPEC))
