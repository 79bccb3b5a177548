import msgspec
import pytest

from stripwatch.worker.coils.tracking.published_coils import content_digest
from stripwatch.worker.contracts.coil_summary import CoilSummary
from tests.worker.coils.samples import defect, logged, observation


def summary(score: float = 0.8) -> CoilSummary:
    found = msgspec.structs.replace(
        defect(150, 260, (0, 9), score), side="top", width_mm=4.5, left_edge_mm=12.0, right_edge_mm=30.0
    )
    return logged([observation(0, 0, 200, defects=(found,), verdict="defect"), observation(1, 180, 380)])


@pytest.mark.parametrize(
    "name", ["side", "width_mm", "left_edge_mm", "right_edge_mm", "state", "defect_frames", "severities"]
)
def test_a_summary_of_an_older_version_is_not_corrected(name: str) -> None:
    """It lacks fields that were added since then."""
    new = msgspec.to_builtins(summary())
    for fields in (new, new["worst"], *new["strip_defects"]):
        fields.pop(name, None)
    old = msgspec.convert(new, CoilSummary)
    assert old != summary()
    assert content_digest(old) == content_digest(summary())


def test_a_changed_defect_is_a_correction() -> None:
    assert content_digest(summary(0.9)) != content_digest(summary(0.8))
