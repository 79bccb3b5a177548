"""The row of evidence images, review frames and states of cameras."""

from deploy.boards.common import OF_WORKER, RATE
from deploy.boards.panels import PER_S, Panel, Query, Row


def _outcomes(title: str, metric: str, description: str) -> Panel:
    query = Query(f"sum by (outcome) (rate({metric}{{{OF_WORKER}}}{RATE}))", "{{outcome}}")
    return Panel(title, "timeseries", (query,), description, PER_S, stacked=True, width=6)


EVIDENCE = Row(
    "Evidence, review and states of cameras",
    (
        _outcomes(
            "Evidence images",
            "stripwatch_evidence_frames_total",
            "Frames with a defect by outcome of the evidence image. failed: the event announced one. 0 while disabled.",
        ),
        _outcomes(
            "Review frames",
            "stripwatch_review_frames_total",
            "Frames to label by outcome. If many are over quota, label some and train again. 0 while disabled.",
        ),
        Panel(
            "Review quotas",
            "timeseries",
            (
                Query(
                    f"sum by (quota, outcome) (rate(stripwatch_review_quota_frames_total{{{OF_WORKER}}}{RATE}))",
                    "{{quota}} {{outcome}}",
                ),
            ),
            "Frames to label by quota. novel over_quota: raise review.novel_per_hour_max. 0 while disabled.",
            PER_S,
            stacked=True,
            width=6,
        ),
        _outcomes(
            "States of cameras",
            "stripwatch_camera_states_total",
            "Published states by outcome. failed: the live page shows the camera as unknown. 0 without the topic.",
        ),
    ),
)
