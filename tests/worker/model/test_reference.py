"""Checks of the drift reference in a bundle."""

from typing import Any

import pytest
from msgspec.structs import replace

from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.model.reference import ClassScores, Spread, check_reference
from tests.tiny import LABELS, TINY_REFERENCE


def test_accepts_a_valid_reference() -> None:
    check_reference(TINY_REFERENCE, LABELS)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"brightness": Spread(float("nan"), 1)}, "negative or not finite"),
        ({"sharpness": Spread(0.1, -1)}, "negative or not finite"),
        ({"noise": Spread(-1, 0)}, "negative or not finite"),
        ({"classes": {"stripes": ClassScores(1, 1, 0)}}, "not among its labels"),
        ({"classes": {"grey": ClassScores(1, 1.5, 0)}}, "outside of 0 to 1"),
        ({"classes": {"grey": ClassScores(0.5, 0.9, 0)}}, "do not add up to 1"),
        ({"colour": 256}, "a colour outside of 0 to 255"),
        ({"colour": -1}, "a colour outside of 0 to 255"),
    ],
)
def test_rejects_an_invalid_reference(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BundleError, match=sentence):
        check_reference(replace(TINY_REFERENCE, **changes), LABELS)


@pytest.mark.parametrize(("colour", "grey"), [(None, False), (0, True), (7, True), (8, False), (255, False)])
def test_training_images_are_grey_only_if_that_is_known(colour: int | None, grey: bool) -> None:
    reference = replace(TINY_REFERENCE, colour=colour)
    check_reference(reference, LABELS)
    assert reference.is_grey is grey
