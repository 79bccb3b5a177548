from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.training.datasets.dataset import DataSet, read_dataset
from stripwatch.training.datasets.samples import Sample
from stripwatch.training.preparation.digests import data_sha256, digest_frames
from stripwatch.worker.common.errors import DataError
from stripwatch.worker.images.decode_spec import DecodeSpec
from tests.jpeg_files import DAMAGES, encode, texture

SPEC = DecodeSpec(32, 32)


def dataset_of(root: Path, *names: str) -> DataSet:
    return DataSet(root, [Sample(name, (name.split("_")[0],)) for name in names], ["a", "b"], "prefix")


def test_the_same_picture_in_two_files_has_one_pixel_digest(tmp_path: Path) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (40, 40), np.uint8)
    for name, compression in (("a_1.png", 0), ("a_2.png", 9)):
        cv2.imwrite(str(tmp_path / name), picture, [cv2.IMWRITE_PNG_COMPRESSION, compression])
    seen: list[None] = []
    first, second = digest_frames(dataset_of(tmp_path, "a_1.png", "a_2.png"), SPEC, lambda: seen.append(None))
    assert first.pixels_sha256 == second.pixels_sha256
    assert first.file_sha256 != second.file_sha256
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"no picture", "unsupported_format"),
        (DAMAGES["cut, with an end marker"](encode(texture()), b""), "damaged"),
    ],
)
def test_names_an_unreadable_file_and_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "b_3.jpg").write_bytes(content)
    with pytest.raises(DataError, match=rf"b_3\.jpg cannot be used for training: {reason}"):
        digest_frames(dataset_of(tmp_path, "b_3.jpg"), SPEC, lambda: None)


frames = st.lists(
    st.tuples(st.text("ab/", max_size=3), st.text("xy", max_size=2), st.text("01", max_size=2)), min_size=1
)


@given(frames, st.randoms())
def test_the_digest_does_not_depend_on_the_order_of_frames(found: list[tuple[str, str, str]], random: object) -> None:
    turned = found.copy()
    random.shuffle(turned)  # type: ignore[attr-defined]
    assert data_sha256(turned) == data_sha256(found)


@given(frames)
def test_the_digest_depends_on_every_name_label_and_file(found: list[tuple[str, str, str]]) -> None:
    for at, (name, label, sha256) in enumerate(found):
        for changed in ((name + "z", label, sha256), (name, label + "z", sha256), (name, label, sha256 + "z")):
            assert data_sha256([*found[:at], changed, *found[at + 1 :]]) != data_sha256(found)


def test_names_all_unreadable_files_at_once(tmp_path: Path) -> None:
    for name in ("a_1.png", "a_2.png", "b_1.png"):
        (tmp_path / name).write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"3 problems in .*: .*a_1\.png cannot be .*; .*a_2\.png cannot .*; .*b_1\.png"):
        digest_frames(read_dataset(tmp_path), DecodeSpec(8, 8), lambda: None)
