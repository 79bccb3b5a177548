"""The row of defects and verdicts."""

from deploy.boards.common import OF_LINE, RATE, targeted
from deploy.boards.panels import COUNT, PER_MIN, SHARE, Panel, Query, Row

DEFECTS = Row(
    "Defects",
    (
        Panel(
            "Defects by class",
            "timeseries",
            (
                Query(
                    f'60 * sum by (label) (rate(stripwatch_defects_total{{{OF_LINE}, camera=~"$camera"}}{RATE}))',
                    "{{label}}",
                ),
            ),
            "Defects per minute.",
            PER_MIN,
            width=12,
            stacked=True,
        ),
        Panel(
            "Defects by camera and class",
            "bargauge",
            (
                Query(
                    "sum by (line, camera, label)"
                    f' (increase(stripwatch_defects_total{{{OF_LINE}, camera=~"$camera"}}[$__range]))',
                    "{{line}} {{camera}} {{label}}",
                ),
            ),
            "Defects in the selected time range. If only one camera has many, suspect a dirty lens before a bad strip.",
            COUNT,
            "defects",
            width=12,
        ),
        Panel(
            "Verdicts",
            "timeseries",
            (
                Query(f"line:stripwatch_verdicts:ratio10m{{{OF_LINE}}}", "{{line}} {{verdict}}"),
                Query(f'line:stripwatch_verdicts:usual_ratio{{verdict="defect", {OF_LINE}}}', "{{line}} defect, usual"),
            ),
            "Share of frames by verdict over ten minutes. usual: share with a defect over about a day of running time.",
            width=12,
            unit=SHARE,
        ),
        Panel(
            "Rejects by reason",
            "timeseries",
            targeted(
                f"line:stripwatch_rejects:ratio5m{{{OF_LINE}}}",
                "{{line}} {{reason}}",
                "stripwatch:rejects:target_ratio",
            ),
            "Share of frames that could not be inspected.",
            width=12,
            unit=SHARE,
        ),
    ),
)
