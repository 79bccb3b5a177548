"""The row of the process itself: bundles, readiness, faults, memory and CPU."""

from deploy.boards.common import OF_WORKER, RATE
from deploy.boards.panels import BYTES, PER_S, Panel, Query, Row, States

HEALTH = Row(
    "Health",
    (
        Panel(
            "Running bundles",
            "table",
            (Query(f"stripwatch_bundle_info{{{OF_WORKER}}}"),),
            "The bundle and provider of each worker. They must match the label `device`, and agree within a line.",
            width=16,
        ),
        Panel(
            "Ready",
            "state-timeline",
            (Query(f"stripwatch_ready{{{OF_WORKER}}}", "{{instance}} {{process}}"),),
            "Red while the worker loads, drains, or has a fault. /readyz names the failing check.",
            states=States(zero="not ready", one="ready", good=1),
        ),
        Panel(
            "Process status",
            "state-timeline",
            (
                Query(
                    f'stripwatch_process_up{{{OF_WORKER}}} or on (instance) up{{job="stripwatch-worker", {OF_WORKER}}}',
                    "{{instance}} {{process}}",
                ),
            ),
            "Red: the process hangs or does not run, and its other metrics are missing. Numbered processes belong to a "
            "supervisor.",
            states=States(zero="no answer", one="answers", good=1),
        ),
        Panel(
            "Faults",
            "timeseries",
            (
                Query(f"sum by (header) (rate(stripwatch_header_faults_total{{{OF_WORKER}}}{RATE}))", "{{header}}"),
                Query(
                    f"sum(rate(stripwatch_negative_frame_ages_total{{{OF_WORKER}}}{RATE}))", "captured in the future"
                ),
                Query(f"sum(rate(stripwatch_late_frames_total{{{OF_WORKER}}}{RATE}))", "late"),
                Query(f"sum(rate(stripwatch_commit_failures_total{{{OF_WORKER}}}{RATE}))", "commits"),
                Query(f"sum by (fault) (rate(stripwatch_batch_faults_total{{{OF_WORKER}}}{RATE}))", "batch {{fault}}"),
                Query(f"sum(rate(stripwatch_memory_shortages_total{{{OF_WORKER}}}{RATE}))", "memory short"),
                Query(f"sum(rate(stripwatch_unlocated_defects_total{{{OF_WORKER}}}{RATE}))", "unlocated defects"),
            ),
            "Events per second: unreadable headers, frames captured in the future or too late, failed offset commits, "
            "unreadable record batches, memory shortages, and defects without a location.",
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
            "Resident memory. It should be flat after the first minutes.",
            unit=BYTES,
        ),
        Panel(
            "CPU",
            "timeseries",
            (
                Query(
                    f'rate(process_cpu_seconds_total{{job="stripwatch-worker", {OF_WORKER}}}{RATE})',
                    "{{instance}} {{process}}",
                ),
            ),
            "CPU cores in use.",
            "suffix: cores",
        ),
        Panel(
            "Open files",
            "timeseries",
            (Query(f'process_open_fds{{job="stripwatch-worker", {OF_WORKER}}}', "{{instance}} {{process}}"),),
            "Open files and sockets. It should be flat.",
            "suffix: files",
        ),
    ),
)
