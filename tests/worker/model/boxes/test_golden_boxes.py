from typing import Any

import msgspec
import numpy as np
import pytest

from stripwatch.worker.common.errors import BundleError
from stripwatch.worker.contracts.model.model_record import BoxSpec, GoldenBox
from stripwatch.worker.model.boxes.golden_boxes import check_box_shape, check_box_spec, verify_golden_boxes

GOLDEN = GoldenBox(1, 0, 1, (4.0, 2.0, 20.0, 14.0), 0.75)
SPEC = BoxSpec(0.4, 0.5, 0.01, [GOLDEN])


def output() -> Any:
    values = np.zeros((1, 2, 3, 2, 5), np.float32)
    values[0, 1, 0, 1] = (4.25, 2, 20, 14, 0.745)
    return values


def test_accepts_boxes_within_the_tolerance() -> None:
    verify_golden_boxes(SPEC, ["a.png"], output())


@pytest.mark.parametrize(("value", "by"), [(0, 0.5), (3, -0.75), (4, 0.02), (2, np.nan)])
def test_rejects_an_edge_or_a_quality_beyond_the_tolerance(value: int, by: float) -> None:
    values = output()
    values[0, 1, 0, 1, value] += by
    with pytest.raises(BundleError, match=r"box of golden frame 'a\.png' differs by"):
        verify_golden_boxes(SPEC, ["a.png"], values)


def test_rejects_a_golden_box_outside_the_map() -> None:
    far = msgspec.structs.replace(SPEC, golden=[msgspec.structs.replace(GOLDEN, row=2)])
    with pytest.raises(BundleError, match="row 2, column 0"):
        verify_golden_boxes(far, ["a.png"], output())


def test_rejects_an_output_with_another_shape() -> None:
    check_box_shape(["batch", 2, 3, 2, 5], 2, ["batch", 2, 3, 2])
    others: tuple[list[int | str | None], ...] = (["batch", 2, 3, 2, 4], ["batch", 3, 3, 2, 5], ["batch", 2, 3, 5])
    for shape in others:
        with pytest.raises(BundleError, match="boxes have the shape"):
            check_box_shape(shape, 2, ["batch", 2, 3, 2])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threshold": 0.0}, "threshold"),
        ({"threshold": 1.0}, "threshold"),
        ({"tolerance_px": float("inf")}, "tolerances"),
        ({"quality_tolerance": 0.0}, "tolerances"),
        ({"golden": []}, "0 golden boxes for 1 golden frames"),
        ({"golden": [msgspec.structs.replace(GOLDEN, label_index=2)]}, "does not exist"),
        ({"golden": [msgspec.structs.replace(GOLDEN, column=-1)]}, "does not exist"),
    ],
)
def test_rejects_a_malformed_part_of_the_manifest(changes: dict[str, Any], message: str) -> None:
    check_box_spec(SPEC, 2, 1)
    with pytest.raises(BundleError, match=message):
        check_box_spec(msgspec.structs.replace(SPEC, **changes), 2, 1)
