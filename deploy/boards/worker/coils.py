"""The row of `stripwatch coils`, one process for all lines: its metrics have no label for a line or a worker."""

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
            "Results and rejects of all workers. unreadable: records on their topics that no worker wrote.",
            PER_S,
        ),
        Panel(
            "Frames after the end of their coil",
            "timeseries",
            (Query(f"sum by (outcome) (rate(stripwatch_coils_late_frames_total{RATE}))", "{{outcome}}"),),
            "late: the summary is corrected. supplement: too late for a correction, so they have a separate summary. "
            "replayed: too late because the frames were replayed from the rejects.",
            PER_S,
        ),
        Panel(
            "Coil summaries",
            "timeseries",
            (
                Query("sum by (kind) (increase(stripwatch_coils_summaries_total[1h]))", "{{kind}} per hour"),
                Query("sum(stripwatch_coils_running)", "running coils"),
                Query("sum(stripwatch_coils_correctable)", "correctable coils"),
            ),
            "Many corrections: workers delay frames beyond settle_s. No summaries: check that it has caught up.",
            axis="coils",
        ),
        Panel(
            "Coils with wrong positions or a silent camera",
            "timeseries",
            (Query("sum by (fault) (increase(stripwatch_coils_faulty_total[1h]))", "{{fault}} per hour"),),
            "outlier: impossible positions. reset, jump: the encoder was set to another value, or frames with wrong "
            "times are missing. reversed: the strip ran backwards unannounced. still: the position never changed, "
            "so the encoder may be dead. The log names the coils.",
            axis="coils",
        ),
    ),
)
