"""The report distinguishes broken guarantees from inconclusive results."""

from dataclasses import replace

from tests.faults.judge import Counts
from tests.faults.plan import Strike
from tests.faults.play import Met
from tests.faults.report import summary, table
from tests.faults.run import Verdict
from tests.faults.silence import Silence

FAULT = "kill -9 a worker"
KEPT = Verdict(
    seed=7,
    delivery="exactly-once",
    cluster="one broker",
    kafka="3.9.2",
    workers=2,
    frames=1000,
    met=[Met(Strike(FAULT, 10, 0, 0.0, 1.0, 0.0, 0.5), 0, 5)],
    counts=Counts(0, 0, 0, 0, 0, 0, 0, 0),
    uncommitted=0,
    crashed=0,
    stuck=0,
    gave_up=0,
    silent=0,
    stalled=0,
    swollen=0,
    silences=[Silence(FAULT, 0, 10.0, 5.5, 5.5, False, True, 6.0, 0.12)],
    away_s={FAULT: 0.0},
    memory_mb_max=130.0,
    memory_mb_allowed=750.0,
    stop_s_max=1.0,
    models=1,
)
STALLED = replace(KEPT, stalled=1)


def test_reports_kept_if_all_guarantees_held() -> None:
    found = summary([KEPT])
    assert found["kept"]
    assert found["deliveries"]["exactly-once"]["seeds_by_kafka"] == {"3.9.2, one broker": 1}


def test_harness_failures_busy_machines_and_missing_seeds_are_inconclusive() -> None:
    for found in (
        summary([KEPT], ["seed 8: HarnessError"]),
        summary([KEPT], left=1),
        summary([STALLED]),
    ):
        assert not found["kept"]
        assert found["deliveries"]["exactly-once"]["broken"] == {}
    assert summary([STALLED])["deliveries"]["exactly-once"]["not_proved"] == [7]


def test_names_a_broken_guarantee() -> None:
    found = summary([replace(KEPT, silent=2)])
    assert not found["kept"]
    assert found["deliveries"]["exactly-once"]["broken"] == {"7": ["silent"]}


def test_shows_the_longest_silence_with_the_allowed_time_and_the_control() -> None:
    (row,) = (line for line in table([KEPT]).splitlines() if line.startswith(f"| {FAULT}"))
    assert row.split(" | ")[1:8] == ["1", "0", "0", "0.00", "5.50", "6.00", "0.12"]
