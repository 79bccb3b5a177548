"""Random changes: the same in every process, of all kinds, and within their ranges."""

from collections import Counter

import cv2
import numpy as np
import pytest

from stripwatch.training.stress.changed_frames import decode_source
from stripwatch.training.stress.random_changes import RandomChanges, changed_copy
from stripwatch.worker.images.decode_spec import DecodeSpec

SPEC = DecodeSpec(24, 32)
DRAWN = [RandomChanges.of(f"frame_{number}.png", copy) for number in range(200) for copy in range(2)]


@pytest.fixture(scope="module")
def encoded() -> bytes:
    pixels = np.random.default_rng(0).integers(60, 200, (40, 60), np.uint8)
    return cv2.imencode(".png", pixels)[1].tobytes()


def test_a_copy_is_the_same_each_time_and_others_differ(encoded: bytes) -> None:
    first, again = (changed_copy(encoded, SPEC, "a.png", 0) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == SPEC.shape
    assert first.dtype == np.uint8
    others = [changed_copy(encoded, SPEC, name, copy) for name, copy in (("a.png", 1), ("b.png", 0), ("b.png", 1))]
    assert len({each.tobytes() for each in [first, *others]}) == 4


def test_every_kind_occurs_alone_and_together() -> None:
    names = Counter(each.change.name for changes in DRAWN for each in changes.drawn)
    assert set(names) == {
        "closer camera",
        "darker",
        "less contrast",
        "higher gamma",
        "shading across the strip",
        "dust",
        "out of focus",
        "motion blur",
        "noise",
        "JPEG compression",
    }
    assert {len(changes.drawn) for changes in DRAWN} == {1, 2}
    assert {len(changes.mirrored) for changes in DRAWN} == {0, 1, 2}
    assert {changes.kind for changes in DRAWN} == set(range(6))


def test_strengths_reach_those_of_the_table_of_goals() -> None:
    strengths: dict[str, list[float]] = {}
    for changes in DRAWN:
        for each in changes.drawn:
            strengths.setdefault(each.change.name, []).append(each.strength)
    assert min(strengths["darker"]) < 0.6 < 1.2 < max(strengths["darker"])
    assert max(strengths["noise"]) > 16
    assert min(strengths["JPEG compression"]) < 30
    assert max(strengths["out of focus"]) > 2
    assert min(strengths["closer camera"]) < 0.8 < 1.2 < max(strengths["closer camera"])
    assert all(1 <= strength <= 18 for strength in strengths["noise"])


def test_the_changes_act_on_the_frame_of_the_camera(encoded: bytes) -> None:
    source = decode_source(encoded, SPEC)
    changes = next(each for each in DRAWN if [one.change.name for one in each.drawn] == ["noise"])
    changed = changes.apply(source)
    assert changed.shape == source.shape == (40, 60, 3)
    turned = source
    for name in changes.mirrored:
        turned = turned[:, ::-1] if name == "mirrored along the strip" else turned[::-1]
    difference = changed.astype(float) - turned
    assert difference.std() == pytest.approx(changes.drawn[0].strength, rel=0.1)
