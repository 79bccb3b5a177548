"""`stripwatch coils`: one process for all lines, so its metrics have no label of a line or a worker."""

from deploy.boards.common import RATE
from deploy.boards.panels import PER_S, Panel, Query, Row

COILS = Row(
    "Coils",
    (
        Panel(
            "Frames counted in coils",
            "timeseries",
            (
                Query(f"sum by (state) (rate(stripwatch_coils_frames_total{RATE}))", "{{state}}"),
                Query(f"sum(rate(stripwatch_coils_repeats_total{RATE}))", "repeats"),
                Query(f"sum(rate(stripwatch_coils_unreadable_records_total{RATE}))", "unreadable"),
            ),
            "Follows the results and rejects of all workers. Unreadable: somebody else writes to their topics.",
            PER_S,
        ),
        Panel(
            "Frames after the end of their coil",
            "timeseries",
            (Query(f"sum by (outcome) (rate(stripwatch_coils_late_frames_total{RATE}))", "{{outcome}}"),),
            "late: the summary is corrected. supplement: too late for that, they have a summary of their own. "
            "replayed: too late, since somebody sent them again.",
            PER_S,
        ),
        Panel(
            "Summaries of coils",
            "timeseries",
            (
                Query("sum by (kind) (increase(stripwatch_coils_summaries_total[1h]))", "{{kind}} in an hour"),
                Query("sum(stripwatch_coils_running)", "coils that run"),
                Query("sum(stripwatch_coils_correctable)", "coils that may be corrected"),
            ),
            "Many corrected: workers hold up frames for longer than settle_s. None at all: see that it has caught up.",
            axis="coils",
        ),
        Panel(
            "Coils with wrong positions or a silent camera",
            "timeseries",
            (Query("sum by (fault) (increase(stripwatch_coils_faulty_total[1h]))", "{{fault}} in an hour"),),
            "outlier: positions that cannot be true. reset, jump: the encoder was set to another value, or a hole "
            "among frames with wrong times. reversed: the strip ran backwards unannounced. still: one position "
            "throughout, so the encoder may be dead. The log names the coils.",
            axis="coils",
        ),
    ),
)
