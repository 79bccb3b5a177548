"""The row of the state of the line at this moment: what is inspected, and what needs a person."""

from deploy.boards.common import OF_ALERT, OF_LINE, target
from deploy.boards.panels import COUNT, PER_S, SECONDS, SHARE, Panel, Query, Row, green_from, red_from

# A zero for every expected line: without a worker, a line has no other series.
_NOTHING = f"0 * line:stripwatch_workers_up:count{{{OF_LINE}}}"

NOW = Row(
    "Now",
    (
        Panel(
            "Workers ready",
            "stat",
            (Query(f"sum by (line) (stripwatch_ready{{{OF_LINE}}}) or {_NOTHING}", "{{line}}"),),
            "Number of workers that inspect. 0: the line is not inspected.",
            COUNT,
            steps=green_from(1),
            width=4,
            height=5,
        ),
        Panel(
            "Alerts",
            "stat",
            (Query(f"count(ALERTS{{{OF_ALERT}}}) or vector(0)", "firing"),),
            "Number of firing alerts. The table below lists them.",
            COUNT,
            steps=red_from(1),
            width=4,
            height=5,
        ),
        Panel(
            "Frames",
            "stat",
            (Query(f"line:stripwatch_frames:rate1m{{{OF_LINE}}} or {_NOTHING}", "{{line}}"),),
            "Frames per second consumed by the workers. Orange: none; the line is stopped, or its cameras are silent.",
            PER_S,
            steps=green_from(0.001, below="orange"),
            width=4,
            height=5,
        ),
        Panel(
            "Frames with a defect",
            "stat",
            (Query(f'line:stripwatch_verdicts:ratio10m{{verdict="defect", {OF_LINE}}} >= 0', "{{line}}"),),
            "Share over ten minutes. It has no colour because the usual share varies; an alert compares it with that.",
            SHARE,
            width=4,
            height=5,
        ),
        Panel(
            "Result age",
            "stat",
            (Query(f"line:stripwatch_frame_age_seconds:p99_5m{{{OF_LINE}}} >= 0", "{{line}}"),),
            "99th percentile of the time from capture to acknowledged result. Empty while no frames arrive.",
            SECONDS,
            steps=red_from(target("stripwatch:frame_age_seconds:target")),
            width=4,
            height=5,
        ),
        Panel(
            "Lag",
            "stat",
            (
                Query(
                    f"line:stripwatch_lag_seconds:ratio{{{OF_LINE}}} >= 0"
                    f" or line:stripwatch_lag_frames:sum{{{OF_LINE}}} == 0",
                    "{{line}}",
                ),
            ),
            "Time to work off the backlog at the current speed. Infinite: there is a backlog, but no frame is settled.",
            SECONDS,
            steps=red_from(target("stripwatch:lag_seconds:target")),
            width=4,
            height=5,
        ),
        Panel(
            "Firing alerts",
            "table",
            (Query(f"ALERTS{{{OF_ALERT}}}"),),
            "See docs/how-to/operator/runbooks.md for what to do. Empty if everything is in order.",
            width=24,
            height=5,
        ),
    ),
)
