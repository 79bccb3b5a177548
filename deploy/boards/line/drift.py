"""The row of camera conditions and drift."""

from deploy.boards.common import OF_LINE, RATE, targeted_either_way
from deploy.boards.panels import COUNT, PER_MIN, PER_S, SHARE, Panel, Query, Row, States

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
