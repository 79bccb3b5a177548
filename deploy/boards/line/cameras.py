"""The row of frames, rejects and ages by camera."""

from deploy.boards.common import OF_LINE, RATE, targeted
from deploy.boards.panels import PER_S, SECONDS, SHARE, Panel, Query, Row, States

CAMERAS = Row(
    "Cameras",
    (
        Panel(
            "Frames by camera",
            "timeseries",
            (Query(f'camera:stripwatch_frames:rate1m{{{OF_LINE}, camera=~"$camera"}}', "{{line}} {{camera}}"),),
            "Frames per second.",
            width=12,
            unit=PER_S,
        ),
        Panel(
            "Camera activity",
            "state-timeline",
            (
                Query(
                    f'camera:stripwatch_frames:rate1m{{{OF_LINE}, camera=~"$camera"}} > bool 0'
                    f' or 0 * camera:stripwatch_missed:last{{{OF_LINE}, camera=~"$camera"}}'
                    " unless (camera:stripwatch_replaced == 1)",
                    "{{line}} {{camera}}",
                ),
            ),
            "All cameras silent: the line is stopped. One camera silent: that camera has failed, even if no worker "
            "reports it any more.",
            states=States(zero="silent", one="sends", good=1),
            width=12,
        ),
        Panel(
            "Rejects by camera",
            "timeseries",
            (Query(f'camera:stripwatch_rejects:ratio5m{{{OF_LINE}, camera=~"$camera"}}', "{{line}} {{camera}}"),),
            "Share of the frames of a camera that could not be inspected.",
            width=24,
            unit=SHARE,
        ),
        Panel(
            "Distribution of the result age",
            "heatmap",
            (Query(f"sum by (le) (increase(stripwatch_frame_age_seconds_bucket{{{OF_LINE}}}{RATE}))", "{{le}}"),),
            "Time from capture to acknowledged result. A second band above the first: one camera or worker is slower.",
            width=12,
            unit=SECONDS,
        ),
        Panel(
            "Lag over time",
            "timeseries",
            targeted(f"line:stripwatch_lag_seconds:ratio{{{OF_LINE}}}", "{{line}}", "stripwatch:lag_seconds:target"),
            "Time to work off the backlog at the current speed.",
            width=12,
            unit=SECONDS,
        ),
    ),
)
