from pathlib import Path

import pytest

from stripwatch.training.datasets.dataset import for_task, read_dataset
from stripwatch.training.frontier.measure.search_frames import FoldPlan, SearchFrames, read_search_frames

pytestmark = pytest.mark.training


def read(folder: Path, frames_max: int) -> SearchFrames:
    dataset, clean = for_task(read_dataset(folder), "multiclass", None)
    return read_search_frames(dataset, "multiclass", clean, None, FoldPlan(3, 0, frames_max), lambda: None)


def test_every_frame_is_held_out_once(textures: Path) -> None:
    found = read(textures, 1000)
    assert sorted(at for part in found.folds for at in part.validation) == list(range(60))
    assert (found.facts.height_px, found.facts.width_px, found.facts.jpeg) == (96, 96, False)
    assert not found.facts.colour
    assert found.mean_px == 96 * 96
    assert len(found.encoded(7)) == 7


def test_a_part_of_many_frames_keeps_the_shares_of_labels(textures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = read(textures, 30)
    labels = [frame.label for frame in found.frames]
    assert {label: labels.count(label) for label in set(labels)} == {"plain": 10, "spots": 10, "stripes": 10}
    assert len(found.every) == len(found.every_group) == 60
    assert len(found.subset.files) == len(found.groups) == 30
    assert "the search uses 30 of 60 images (--images-max)" in capsys.readouterr().err
