"""The board for operators. Targets and shares come from the recording rules: it shows what an alert looks at."""

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
    red_from,
)

# Of every line that is expected: without a worker its other series are gone.
_NOTHING = f"0 * line:stripwatch_workers_up:count{{{OF_LINE}}}"

NOW = Row(
    "Now",
    (
        Panel(
            "Workers ready",
            "stat",
            (Query(f"sum by (line) (stripwatch_ready{{{OF_LINE}}}) or {_NOTHING}", "{{line}}"),),
            "Workers that inspect. 0: the strip is not looked at.",
            COUNT,
            steps=green_from(1),
            width=4,
            height=5,
        ),
        Panel(
            "Alerts",
            "stat",
            (Query(f"count(ALERTS{{{OF_ALERT}}}) or vector(0)", "firing"),),
            "What is wrong at this moment; the table below names it.",
            COUNT,
            steps=red_from(1),
            width=4,
            height=5,
        ),
        Panel(
            "Frames",
            "stat",
            (Query(f"line:stripwatch_frames:rate1m{{{OF_LINE}}} or {_NOTHING}", "{{line}}"),),
            "Frames a second that the workers take. Orange: none; the line stands, or its cameras are silent.",
            PER_S,
            steps=green_from(0.001, below="orange"),
            width=4,
            height=5,
        ),
        Panel(
            "Frames with a defect",
            "stat",
            (Query(f'line:stripwatch_verdicts:ratio10m{{verdict="defect", {OF_LINE}}} >= 0', "{{line}}"),),
            "Their share over ten minutes. No colour: what is usual differs. An alert compares it with the usual.",
            SHARE,
            width=4,
            height=5,
        ),
        Panel(
            "Age of a result",
            "stat",
            (Query(f"line:stripwatch_frame_age_seconds:p99_5m{{{OF_LINE}}} >= 0", "{{line}}"),),
            "Capture to acknowledged result, 99 of 100 frames are faster. Nothing while no frames come.",
            SECONDS,
            steps=red_from(target("stripwatch:frame_age_seconds:target")),
            width=4,
            height=5,
        ),
        Panel(
            "Behind the cameras",
            "stat",
            (
                Query(
                    f"line:stripwatch_lag_seconds:ratio{{{OF_LINE}}} >= 0"
                    f" or line:stripwatch_lag_frames:sum{{{OF_LINE}}} == 0",
                    "{{line}}",
                ),
            ),
            "How long the backlog takes at the present speed. Infinite: there is one, and no speed.",
            SECONDS,
            steps=red_from(target("stripwatch:lag_seconds:target")),
            width=4,
            height=5,
        ),
        Panel(
            "What is wrong",
            "table",
            (Query(f"ALERTS{{{OF_ALERT}}}"),),
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
            "In the time that the board shows. One camera alone is a dirty lens more often than a bad strip.",
            COUNT,
            "defects",
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
            "Share of frames by verdict over ten minutes. usual: those with a defect, over about a day of running.",
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

CAMERAS = Row(
    "Cameras",
    (
        Panel(
            "Frames by camera",
            "timeseries",
            (Query(f'camera:stripwatch_frames:rate1m{{{OF_LINE}, camera=~"$camera"}}', "{{line}} {{camera}}"),),
            "Frames a second.",
            width=12,
            unit=PER_S,
        ),
        Panel(
            "Cameras that send",
            "state-timeline",
            (
                Query(
                    f'camera:stripwatch_frames:rate1m{{{OF_LINE}, camera=~"$camera"}} > bool 0'
                    f' or 0 * camera:stripwatch_missed:last{{{OF_LINE}, camera=~"$camera"}}'
                    " unless (camera:stripwatch_replaced == 1)",
                    "{{line}} {{camera}}",
                ),
            ),
            "All silent at once: the line stands. One alone: the camera, also where its worker has forgotten it.",
            states=States(zero="silent", one="sends", good=1),
            width=12,
        ),
        Panel(
            "Age of results",
            "heatmap",
            (Query(f"sum by (le) (increase(stripwatch_frame_age_seconds_bucket{{{OF_LINE}}}{RATE}))", "{{le}}"),),
            "Capture to acknowledged result. A second band above the first: one camera, or one worker, is slower.",
            width=12,
            unit=SECONDS,
        ),
        Panel(
            "Behind the cameras, over time",
            "timeseries",
            targeted(f"line:stripwatch_lag_seconds:ratio{{{OF_LINE}}}", "{{line}}", "stripwatch:lag_seconds:target"),
            "How long the backlog takes at the present speed.",
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
            "Condition of cameras",
            "state-timeline",
            (Query(f"camera:stripwatch_camera_condition:max{_OF_CAMERA}", "{{line}} {{camera}} {{condition}}"),),
            "Red: look at the camera. silent: no frame; dark; blurred; frozen: the same frame again and again; "
            "misnamed: in another case than in the settings; untrained_size: unlike the frames that the model was "
            "trained on.",
            states=States(zero="ok", one="look", good=0),
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
            "Unsure whatever the model says: damaged file, unknown bit depth, untrained size or scale, progressive "
            "JPEG, two images in a record.",
            unit=PER_S,
            height=12,
        ),
        Panel(
            "Frames away from the reference",
            "timeseries",
            targeted_either_way(
                f"camera:stripwatch_frame_drift:avg10m{_OF_CAMERA}",
                "{{line}} {{camera}} {{statistic}}",
                "stripwatch:frame_drift:target",
            ),
            "In standard deviations of the training frames. Beyond a target: the model has learnt from others.",
            COUNT,
            "standard deviations",
            from_zero=False,
            width=12,
        ),
        Panel(
            "Scores away from the reference",
            "timeseries",
            targeted_either_way(
                f"camera:stripwatch_score_drift:avg10m{_OF_CAMERA}",
                "{{line}} {{camera}} {{statistic}}",
                "stripwatch:score_drift:target",
            ),
            "unsure above the upper target, or confidence below the lower one: less sure than on validation. classes: "
            "another mix of answers.",
            SHARE,
            from_zero=False,
            width=12,
        ),
        Panel(
            "Brightness and contrast",
            "timeseries",
            (
                Query(
                    "avg by (line, camera, statistic) (stripwatch_frame_statistic"
                    f'{{statistic=~"brightness|contrast", {OF_LINE}, camera=~"$camera"}})',
                    "{{line}} {{camera}} {{statistic}}",
                ),
            ),
            "Grey values of 0 to 255. Falls slowly: a lamp ages.",
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
            ),
            "How much neighbours differ, as a share of the brightness. Falls: dirt on the lens, or out of focus.",
            SHARE,
            from_zero=False,
        ),
        Panel(
            "How sure the model is",
            "timeseries",
            (
                Query(
                    f"avg by (line, camera, statistic) (stripwatch_score_statistic{_OF_CAMERA})",
                    "{{line}} {{camera}} {{statistic}}",
                ),
            ),
            "Mean confidence, and the share of frames it is unsure of.",
            SHARE,
            from_zero=False,
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
