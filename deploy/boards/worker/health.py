"""The process itself: what runs, its faults, memory and processor."""

from deploy.boards.common import OF_WORKER, RATE
from deploy.boards.panels import BYTES, PER_S, Panel, Query, Row, States

HEALTH = Row(
    "Health",
    (
        Panel(
            "What runs",
            "table",
            (Query(f"stripwatch_bundle_info{{{OF_WORKER}}}"),),
            "The bundle and the provider of each worker: as labelled by `device`, and the same on one line.",
            width=16,
        ),
        Panel(
            "Ready",
            "state-timeline",
            (Query(f"stripwatch_ready{{{OF_WORKER}}}", "{{instance}} {{process}}"),),
            "Red while the worker loads, drains, or has a fault; /readyz names it.",
            states=States(zero="not ready", one="ready", good=1),
        ),
        Panel(
            "Processes that answer",
            "state-timeline",
            (
                Query(
                    f'stripwatch_process_up{{{OF_WORKER}}} or on (instance) up{{job="stripwatch-worker", {OF_WORKER}}}',
                    "{{instance}} {{process}}",
                ),
            ),
            "Red: it hangs or does not run, and none of its other metrics is here. A number is that of a process under "
            "a supervisor.",
            states=States(zero="no answer", one="answers", good=1),
        ),
        Panel(
            "Faults",
            "timeseries",
            (
                Query(f"sum by (header) (rate(stripwatch_header_faults_total{{{OF_WORKER}}}{RATE}))", "{{header}}"),
                Query(f"sum(rate(stripwatch_negative_frame_ages_total{{{OF_WORKER}}}{RATE}))", "from the future"),
                Query(f"sum(rate(stripwatch_late_frames_total{{{OF_WORKER}}}{RATE}))", "late"),
                Query(f"sum(rate(stripwatch_commit_failures_total{{{OF_WORKER}}}{RATE}))", "commits"),
                Query(f"sum by (fault) (rate(stripwatch_batch_faults_total{{{OF_WORKER}}}{RATE}))", "batch {{fault}}"),
                Query(f"sum(rate(stripwatch_memory_shortages_total{{{OF_WORKER}}}{RATE}))", "memory short"),
                Query(f"sum(rate(stripwatch_unlocated_defects_total{{{OF_WORKER}}}{RATE}))", "unlocated defects"),
            ),
            "A second. Headers that cannot be read, frames from the future or too late, commits that Kafka refused, "
            "record batches that cannot be read, memory that is short, defects whose place is not known.",
            PER_S,
        ),
        Panel(
            "Memory",
            "timeseries",
            (
                Query(
                    f'process_resident_memory_bytes{{job="stripwatch-worker", {OF_WORKER}}}', "{{instance}} {{process}}"
                ),
            ),
            "Resident. Flat after the first minutes.",
            unit=BYTES,
        ),
        Panel(
            "Cores",
            "timeseries",
            (
                Query(
                    f'rate(process_cpu_seconds_total{{job="stripwatch-worker", {OF_WORKER}}}{RATE})',
                    "{{instance}} {{process}}",
                ),
            ),
            "Processor cores that the worker uses.",
            "suffix: cores",
        ),
        Panel(
            "Open files",
            "timeseries",
            (Query(f'process_open_fds{{job="stripwatch-worker", {OF_WORKER}}}', "{{instance}} {{process}}"),),
            "Files and sockets. Flat.",
            "suffix: files",
        ),
    ),
)
