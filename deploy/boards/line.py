"""The board for operators. Targets and shares come from the recording rules: it shows what an alert looks at."""

from deploy.boards.common import ALERTS, LINE, NEW_BUNDLE, OF_LINE, RATE
from deploy.boards.panels import Board, Panel, Query, Row, Variable


def _targeted(measure: str, legend: str, target: str) -> tuple[Query, ...]:
    return Query(measure, legend), Query(target, "target")


NOW = Row(
    "Now",
    (
        Panel(
            "Workers ready",
            "stat",
            (Query(f"sum by (line) (stripwatch_ready{{{OF_LINE}}})", "{{line}}"),),
            "Workers that inspect. 0: the strip is not looked at.",
            width=4,
            height=5,
            red_below=1,
        ),
        Panel(
            "Alerts",
            "stat",
            (Query(f'count(ALERTS{{alertstate="firing", {OF_LINE}}}) or vector(0)', "firing"),),
            "What is wrong at this moment; the table below names it.",
            width=4,
            height=5,
            red_from=1,
        ),
        Panel(
            "Frames",
            "stat",
            (Query(f"line:stripwatch_frames:rate1m{{{OF_LINE}}}", "{{line}}"),),
            "Frames a second that the workers take from Kafka.",
            width=4,
            height=5,
            unit="suffix: /s",
        ),
        Panel(
            "Frames with a defect",
            "stat",
            (Query(f'line:stripwatch_verdicts:ratio10m{{verdict="defect", {OF_LINE}}}', "{{line}}"),),
            "Their share over ten minutes.",
            width=4,
            height=5,
            unit="percentunit",
        ),
        Panel(
            "Age of a result",
            "stat",
            (Query(f"line:stripwatch_frame_age_seconds:p99_5m{{{OF_LINE}}}", "{{line}}"),),
            "Capture to acknowledged result, 99 of 100 frames are faster.",
            width=4,
            height=5,
            unit="s",
        ),
        Panel(
            "Behind the cameras",
            "stat",
            (Query(f"line:stripwatch_lag_seconds:ratio{{{OF_LINE}}}", "{{line}}"),),
            "How long the backlog takes at the present speed.",
            width=4,
            height=5,
            unit="s",
        ),
        Panel(
            "What is wrong",
            "table",
            (Query(f'ALERTS{{alertstate="firing", {OF_LINE}}}'),),
            "The alerts that fire; deploy/runbooks.md says what to do. Empty on a good day.",
            width=24,
            height=5,
        ),
    ),
)

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
            "Defects a minute.",
            width=12,
            stacked=True,
        ),
        Panel(
            "Defects by camera and class",
            "bargauge",
            (
                Query(
                    "sum by (camera, label)"
                    f' (increase(stripwatch_defects_total{{{OF_LINE}, camera=~"$camera"}}[$__range]))',
                    "{{camera}} {{label}}",
                ),
            ),
            "In the time that the board shows. One camera alone is a dirty lens more often than a bad strip.",
            width=12,
        ),
        Panel(
            "Verdicts",
            "timeseries",
            (
                Query(f"line:stripwatch_verdicts:ratio10m{{{OF_LINE}}}", "{{line}} {{verdict}}"),
                Query(
                    f'line:stripwatch_verdicts:usual_ratio{{verdict="defect", {OF_LINE}}}', "{{line}} defect, the usual"
                ),
            ),
            "Share of frames by verdict over ten minutes. usual: frames with a defect, over the day before.",
            width=12,
            unit="percentunit",
        ),
        Panel(
            "Rejects by reason",
            "timeseries",
            _targeted(
                f"line:stripwatch_rejects:ratio5m{{{OF_LINE}}}",
                "{{line}} {{reason}}",
                "stripwatch:rejects:target_ratio",
            ),
            "Share of frames that could not be inspected.",
            width=12,
            unit="percentunit",
        ),
    ),
)

CAMERAS = Row(
    "Cameras",
    (
        Panel(
            "Frames by camera",
            "timeseries",
            (Query(f'camera:stripwatch_frames:rate1m{{{OF_LINE}, camera=~"$camera"}}', "{{line}} {{camera}}"),),
            "Frames a second.",
            width=12,
            unit="suffix: /s",
        ),
        Panel(
            "Cameras that send",
            "state-timeline",
            (
                Query(
                    f'camera:stripwatch_frames:rate1m{{{OF_LINE}, camera=~"$camera"}} > bool 0', "{{line}} {{camera}}"
                ),
            ),
            "All silent at once: the line stands. One alone: the camera.",
            width=12,
        ),
        Panel(
            "Age of results",
            "heatmap",
            (Query(f"sum by (le) (increase(stripwatch_frame_age_seconds_bucket{{{OF_LINE}}}{RATE}))", "{{le}}"),),
            "Capture to acknowledged result. A second band above the first: one camera, or one worker, is slower.",
            width=12,
            unit="s",
        ),
        Panel(
            "Behind the cameras, over time",
            "timeseries",
            _targeted(f"line:stripwatch_lag_seconds:ratio{{{OF_LINE}}}", "{{line}}", "stripwatch:lag_seconds:target"),
            "How long the backlog takes at the present speed.",
            width=12,
            unit="s",
        ),
    ),
)

_OF_CAMERA = f'{{{OF_LINE}, camera=~"$camera"}}'

DRIFT = Row(
    "Cameras and drift",
    (
        Panel(
            "Condition of cameras",
            "state-timeline",
            (Query(f"camera:stripwatch_camera_condition:max{_OF_CAMERA}", "{{camera}} {{condition}}"),),
            "1: look at the camera. silent: no frame; dark; blurred; frozen: the same frame again and again; "
            "untrained_size: unlike the frames that the model was trained on.",
            width=16,
        ),
        Panel(
            "Flagged frames",
            "timeseries",
            (
                Query(
                    f"sum by (camera, flag) (rate(stripwatch_flagged_frames_total{_OF_CAMERA}{RATE}))",
                    "{{camera}} {{flag}}",
                ),
            ),
            "Unsure whatever the model says: damaged file, unknown bit depth, untrained size or scale.",
            unit="suffix: /s",
        ),
        Panel(
            "Frames away from the reference",
            "timeseries",
            _targeted(
                f"camera:stripwatch_frame_drift:avg10m{_OF_CAMERA}",
                "{{camera}} {{statistic}}",
                "stripwatch:frame_drift:target",
            ),
            "In standard deviations of the training frames. Beyond the target: the model has learnt from others.",
            width=12,
        ),
        Panel(
            "Scores away from the reference",
            "timeseries",
            _targeted(
                f"camera:stripwatch_score_drift:avg10m{_OF_CAMERA}",
                "{{camera}} {{statistic}}",
                "stripwatch:score_drift:target",
            ),
            "confidence below 0, unsure above 0: less sure than on validation. classes: another mix of answers.",
            width=12,
        ),
        Panel(
            "Brightness and contrast",
            "timeseries",
            (
                Query(
                    "avg by (camera, statistic) (stripwatch_frame_statistic"
                    f'{{statistic=~"brightness|contrast", {OF_LINE}, camera=~"$camera"}})',
                    "{{camera}} {{statistic}}",
                ),
            ),
            "Grey values of 0 to 255. Falls slowly: a lamp ages.",
        ),
        Panel(
            "Sharpness",
            "timeseries",
            (
                Query(
                    "avg by (camera) (stripwatch_frame_statistic"
                    f'{{statistic="sharpness", {OF_LINE}, camera=~"$camera"}})',
                    "{{camera}}",
                ),
            ),
            "How much neighbours differ, as a share of the brightness. Falls: dirt on the lens, or out of focus.",
            unit="percentunit",
        ),
        Panel(
            "How sure the model is",
            "timeseries",
            (
                Query(
                    f"avg by (camera, statistic) (stripwatch_score_statistic{_OF_CAMERA})", "{{camera}} {{statistic}}"
                ),
            ),
            "Mean confidence, and the share of frames it is unsure of.",
            unit="percentunit",
        ),
    ),
)

LINE_BOARD = Board(
    "stripwatch-line",
    "Stripwatch: line",
    "For operators: is the strip inspected, and what is on it?",
    (LINE, Variable("camera", f"label_values(stripwatch_frames_total{{{OF_LINE}}}, camera)")),
    (NEW_BUNDLE, ALERTS),
    (NOW, DEFECTS, CAMERAS, DRIFT),
)
