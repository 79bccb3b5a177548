"""The board for operators. It reads targets and shares from the recording rules, so it shows what the alerts check."""

from deploy.boards.common import (
    ALERTS,
    LINE,
    NEW_BUNDLE,
    OF_ALERT,
    OF_LINE,
    RATE,
    target,
    targeted,
    targeted_either_way,
)
from deploy.boards.panels import (
    COUNT,
    PER_MIN,
    PER_S,
    SECONDS,
    SHARE,
    Board,
    Panel,
    Query,
    Row,
    States,
    Variable,
    green_from,
    orange_red_from,
    red_from,
)

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

# The live page names lines as events do, so the variable of the workers' targets does not select them.
COILS = Row(
    "Coils",
    (
        Panel(
            "State of the running coil",
            "stat",
            (Query("max by (line) (stripwatch_view_coil_state)", "{{line}}"),),
            "By the limits in the settings. 0: ok, 1: warning, 2: alarm. The live page names the reason.",
            steps=orange_red_from(1, 2),
            height=6,
        ),
        Panel(
            "Alarms of coils",
            "timeseries",
            (
                Query("max by (line) (stripwatch_view_alarms)", "{{line}}"),
                Query("max by (line) (stripwatch_view_alarms_unacknowledged)", "{{line}}, not acknowledged"),
            ),
            "Alarms that the live page shows, and those that nobody has acknowledged yet.",
            axis="alarms",
            height=6,
        ),
        Panel(
            "Live page",
            "timeseries",
            (
                Query("min by (instance) (stripwatch_view_live)", "{{instance}} live"),
                Query("sum(stripwatch_view_viewers)", "browsers"),
                Query("sum by (kind) (increase(stripwatch_view_writes_total[1h]))", "{{kind}} per hour"),
                Query("sum by (kind) (increase(stripwatch_view_failed_writes_total[1h]))", "{{kind}} failed per hour"),
                Query(
                    "sum by (reason) (increase(stripwatch_view_failed_searches_total[1h]))",
                    "searches failed ({{reason}}) per hour",
                ),
                Query("sum by (decision) (increase(stripwatch_view_corrections_total[1h]))", "{{decision}} per hour"),
                Query("max(stripwatch_view_unknown_labels)", "classes without a model"),
            ),
            "live is 0 while the page shows old figures. failed: Kafka did not accept what a person entered. searches "
            "failed: the history could not be read. classes without a model: their limits have no effect.",
            axis="number",
            height=6,
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

_OF_CAMERA = f'{{{OF_LINE}, camera=~"$camera"}}'

DRIFT = Row(
    "Cameras and drift",
    (
        Panel(
            "Camera conditions",
            "state-timeline",
            (Query(f"camera:stripwatch_camera_condition:max{_OF_CAMERA}", "{{line}} {{camera}} {{condition}}"),),
            "Red: check the camera. silent: no frames; rejecting: many frames cannot be inspected; dark; bright; "
            "low_contrast; noisy; blurred; frozen: repeats the same frame; misnamed: the settings spell it in another "
            "case; untrained_size: differs from the training frames; novel: shows what the model was not trained on; "
            "coloured: has colour, which the model does not see; "
            "drifting: brightness, contrast, sharpness or noise changed.",
            states=States(zero="ok", one="check", good=0),
            width=16,
            height=12,
        ),
        Panel(
            "Flagged frames",
            "timeseries",
            (
                Query(
                    f"sum by (line, camera, flag) (rate(stripwatch_flagged_frames_total{_OF_CAMERA}{RATE}))",
                    "{{line}} {{camera}} {{flag}}",
                ),
            ),
            "Frames that are unsure regardless of their scores: damaged file, unknown bit depth, untrained size or "
            "scale, progressive JPEG, two images in one record.",
            unit=PER_S,
            height=12,
        ),
        Panel(
            "Novel frames",
            "timeseries",
            (
                Query(f"camera:stripwatch_novel_frames:ratio10m{_OF_CAMERA}", "{{line}} {{camera}}"),
                Query(f"max by (line) (stripwatch_novelty_expected_ratio{{{OF_LINE}}})", "{{line}} expected"),
            ),
            "Share of novel frames over ten minutes. expected: false alarms of the bundle. "
            "An alert compares the two. Empty if the bundle has no novelty score.",
            width=12,
            unit=SHARE,
        ),
        Panel(
            "Unsure frames by reason",
            "timeseries",
            (
                Query(
                    f"60 * sum by (line, reason) (rate(stripwatch_unsure_frames_total{_OF_CAMERA}{RATE}))",
                    "{{line}} {{reason}}",
                ),
            ),
            "Unsure frames per minute. novel: the model was not trained on them; flag: see Flagged frames; score: the "
            "scores are too low.",
            PER_MIN,
            width=12,
            stacked=True,
        ),
        Panel(
            "Coloured frames",
            "timeseries",
            (Query(f"camera:stripwatch_coloured_frames:ratio10m{_OF_CAMERA}", "{{line}} {{camera}}"),),
            "Share of coloured frames over ten minutes, of those that were also decoded in colour. Empty if the model "
            "sees colour, or if its training images had colour.",
            width=12,
            unit=SHARE,
        ),
        Panel(
            "Frame drift",
            "timeseries",
            targeted_either_way(
                f"camera:stripwatch_frame_drift:avg10m{_OF_CAMERA}",
                "{{line}} {{camera}} {{statistic}}",
                "stripwatch:frame_drift:target",
            ),
            "Difference from the training frames, in their standard deviations. Beyond a target: the model was trained "
            "on different images.",
            COUNT,
            "standard deviations",
            from_zero=False,
            width=12,
        ),
        Panel(
            "Score drift",
            "timeseries",
            targeted_either_way(
                f"camera:stripwatch_score_drift:avg10m{_OF_CAMERA}",
                "{{line}} {{camera}} {{statistic}}",
                "stripwatch:score_drift:target",
            ),
            "Difference from validation. unsure above the upper target, or confidence below the lower one: the model "
            "is less confident. classes: change of the class shares.",
            SHARE,
            from_zero=False,
            width=12,
        ),
        Panel(
            "Brightness, contrast and noise",
            "timeseries",
            (
                Query(
                    "avg by (line, camera, statistic) (stripwatch_frame_statistic"
                    f'{{statistic=~"brightness|contrast|noise", {OF_LINE}, camera=~"$camera"}})',
                    "{{line}} {{camera}} {{statistic}}",
                ),
                Query(
                    "avg by (line, camera, condition) (stripwatch_camera_limit"
                    f'{{condition=~"dark|bright|low_contrast|noisy", {OF_LINE}, camera=~"$camera"}})',
                    "{{line}} {{camera}} limit for {{condition}}",
                ),
            ),
            "Grey values from 0 to 255, and the limits beyond which a camera is dark, bright, low_contrast or noisy. "
            "A slow fall of the brightness means an ageing lamp.",
            COUNT,
            "grey value, 0 to 255",
            from_zero=False,
        ),
        Panel(
            "Sharpness",
            "timeseries",
            (
                Query(
                    "avg by (line, camera) (stripwatch_frame_statistic"
                    f'{{statistic="sharpness", {OF_LINE}, camera=~"$camera"}})',
                    "{{line}} {{camera}}",
                ),
                Query(
                    "avg by (line, camera) (stripwatch_camera_limit"
                    f'{{condition="blurred", {OF_LINE}, camera=~"$camera"}})',
                    "{{line}} {{camera}} limit for blurred",
                ),
            ),
            "Difference of neighbouring pixels as a share of the brightness, and the limit below which a camera is "
            "blurred. A fall means a dirty or unfocused lens.",
            SHARE,
            from_zero=False,
        ),
        Panel(
            "Confidence",
            "timeseries",
            (
                Query(
                    f"avg by (line, camera, statistic) (stripwatch_score_statistic{_OF_CAMERA})",
                    "{{line}} {{camera}} {{statistic}}",
                ),
            ),
            "Mean confidence of the model, and the share of unsure frames.",
            SHARE,
            from_zero=False,
        ),
    ),
)

LINE_BOARD = Board(
    "stripwatch-line",
    "Stripwatch: line",
    "For operators: whether the line is inspected, and which defects it has.",
    (LINE, Variable("camera", f"label_values(stripwatch_frames_total{{{OF_LINE}}}, camera)")),
    (NEW_BUNDLE, ALERTS),
    (NOW, DEFECTS, COILS, CAMERAS, DRIFT),
)
