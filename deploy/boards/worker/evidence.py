"""Pictures of defects, and frames for review."""

from deploy.boards.common import OF_WORKER, RATE
from deploy.boards.panels import PER_S, Panel, Query, Row


def _outcomes(title: str, metric: str, description: str) -> Panel:
    query = Query(f"sum by (outcome) (rate({metric}{{{OF_WORKER}}}{RATE}))", "{{outcome}}")
    return Panel(title, "timeseries", (query,), description, PER_S, stacked=True)


EVIDENCE = Row(
    "Evidence and review",
    (
        _outcomes(
            "Pictures of defects",
            "stripwatch_evidence_frames_total",
            "Frames with a defect, by their picture; failed: the event promised one. 0 while switched off.",
        ),
        _outcomes(
            "Frames for review",
            "stripwatch_review_frames_total",
            "Frames the model is unsure of. Much over quota: label some, and train. 0 while switched off.",
        ),
    ),
)
