"""The metrics page describes every metric, every label and every value of a label."""

import re
from typing import get_args

import pytest
from prometheus_client.metrics import MetricWrapperBase

from docs.generate.metrics import (
    PREFIX,
    alerts_using,
    coil_metrics,
    exposed_name,
    family_of,
    labels_of,
    metrics_page,
    unit_of,
    view_metrics,
    worker_metrics,
)
from stripwatch.worker.contracts.line.camera_state import Condition
from stripwatch.worker.images.image_statistics import Statistic
from stripwatch.worker.monitoring.bounded_server import CloseReason
from stripwatch.worker.monitoring.label_values import LABEL_VALUES, OPEN_LABELS
from stripwatch.worker.monitoring.view_metrics import SEARCH_FAILURES
from stripwatch.worker.observers.score_drift import ScoreDrift, ScoreStatistic
from stripwatch.worker.pipeline.produce import producer_recovery

PAGE = metrics_page()
METRICS = [*worker_metrics(), *coil_metrics(), *view_metrics()]


def family(metric: MetricWrapperBase) -> str:
    return family_of(metric).name.removeprefix(PREFIX)


@pytest.mark.parametrize("metric", METRICS, ids=exposed_name)
def test_a_metric_has_description_unit_and_described_labels(metric: MetricWrapperBase) -> None:
    assert family_of(metric).documentation.endswith(".")
    (entry,) = re.findall(rf"^### `{exposed_name(metric)}`\n\n(.*?)(?=\n#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    description, facts = (" ".join(block.split()) for block in entry.strip().split("\n\n"))
    assert description == family_of(metric).documentation
    assert facts.startswith(f"Type: {family_of(metric).type}. Unit: ")
    assert all(f"`{label}`" in facts for label in labels_of(metric))
    values = LABEL_VALUES.get(family(metric), {})
    assert [label for label in labels_of(metric) if label not in values and label not in OPEN_LABELS] == []
    assert [label for label in values if label not in labels_of(metric)] == []
    assert all(meaning.endswith(".") for meanings in values.values() for meaning in meanings.values())


@pytest.mark.parametrize("metric", METRICS, ids=exposed_name)
def test_every_series_that_exists_from_the_start_has_described_values(metric: MetricWrapperBase) -> None:
    for sample in (sample for collected in metric.collect() for sample in collected.samples):
        for label, value in sample.labels.items():
            assert label in OPEN_LABELS or label == "le" or value in LABEL_VALUES[family(metric)][label]


@pytest.mark.parametrize(
    ("name", "label", "values"),
    [
        ("camera_condition", "condition", get_args(Condition)),
        ("frame_statistic", "statistic", get_args(Statistic)),
        ("frame_drift", "statistic", get_args(Statistic)),
        ("score_statistic", "statistic", get_args(ScoreStatistic)),
        ("score_drift", "statistic", get_args(ScoreDrift)),
        ("health_connections_closed", "reason", get_args(CloseReason)),
        ("view_failed_searches", "reason", SEARCH_FAILURES),
        ("producer_failures", "reason", (*producer_recovery._REASONS, producer_recovery._OTHER)),
    ],
)
def test_the_described_values_are_those_of_the_code(name: str, label: str, values: tuple[str, ...]) -> None:
    assert set(LABEL_VALUES[name][label]) == set(values)


@pytest.mark.parametrize("metric", METRICS, ids=exposed_name)
def test_every_metric_is_a_row_of_the_table_of_all_metrics(metric: MetricWrapperBase) -> None:
    table = PAGE.partition("\n## All metrics\n")[2].partition("\n## ")[0]
    assert table.count(f"\n| `{exposed_name(metric)}` | ") == 1


def test_every_label_value_is_a_row() -> None:
    values = {value for labels in LABEL_VALUES.values() for meanings in labels.values() for value in meanings}
    assert [value for value in values if f"\n| `{value}` | " not in PAGE] == []


def test_an_alert_is_found_directly_and_through_a_recording_rule() -> None:
    assert alerts_using(f"{PREFIX}rejects") == ["StripwatchRejectsHigh"]
    assert "StripwatchCameraSilent" in alerts_using(f"{PREFIX}frames")
    assert alerts_using(f"{PREFIX}batch_frames") == []


def test_units_follow_from_names() -> None:
    assert unit_of("stripwatch_stage_seconds", "Time.") == "seconds"
    assert unit_of("stripwatch_ready", "1 while ready.") == "0 or 1"
    assert unit_of("stripwatch_frames", "Frames.") == "count"
