import pytest

from stripwatch.worker.coils.grading.alarms import AlarmKey, alarm_step, alarms_of
from stripwatch.worker.coils.grading.coil_state import GradingRules
from stripwatch.worker.coils.tracking.coil import CoilAggregate
from stripwatch.worker.contracts.coil_summary import CoilSummary
from tests.worker.coils.samples import defect, observation

KEY = AlarmKey("/p/line-1", "C1", "defects", "scratches")


def summary(coil: str, first_ms: int, severity: str = "critical") -> CoilSummary:
    first = observation(0, 0, 800, coil=coil, captured_ms=first_ms, defects=(defect(100, 300),))
    return CoilAggregate(first, grading=GradingRules({"scratches": severity})).summary()  # type: ignore[dict-item]


def test_the_id_does_not_depend_on_when_a_server_began_to_read() -> None:
    (one,), (other,) = alarms_of(summary("C1", 1_000)), alarms_of(summary("C1", 900_000))
    assert one.id == other.id
    assert one.coil_id != other.coil_id


def test_different_coils_rules_classes_and_steps_have_different_ids() -> None:
    keys = [KEY, AlarmKey("/p/line-2", *("C1", "defects", "scratches")), AlarmKey(None, "C1", "defects", "scratches")]
    keys += [AlarmKey("/p/line-1", "C2", "defects", "scratches"), AlarmKey("/p/line-1", "C1", "defects", "pits")]
    keys += [AlarmKey("/p/line-1", "C1", "critical", "scratches"), AlarmKey("/p/line-1", "C1", "unsure", None)]
    ids = {key.alarm_id(step) for key in keys for step in range(3)}
    assert len(ids) == 3 * len(keys)


@pytest.mark.parametrize(
    ("value", "limit", "step"),
    [(5.01, 5, 0), (9.99, 5, 0), (10, 5, 1), (19.9, 5, 1), (20, 5, 2), (1600, 5, 8), (1, 0, 0), (2, 0, 1), (0.2, 0, 0)],
)
def test_each_doubling_is_another_alarm(value: float, limit: float, step: int) -> None:
    assert alarm_step(value, limit) == step


def test_a_warning_is_not_an_alarm() -> None:
    assert alarms_of(summary("C1", 1_000, severity="minor")) == []
