"""A summary must fit into a record of any topic: Kafka refuses what is over a topic's limit, 1 MB by default."""

import msgspec

from stripwatch.worker.contracts.coil_summary import CoilSummary

_BYTES_MAX = 900_000  # leaves room for key and headers


def within_limit(summary: CoilSummary) -> CoilSummary:
    """With as many strip defects as there is room for: long names that are not ASCII take several bytes a character."""
    while len(msgspec.json.encode(summary)) > _BYTES_MAX and summary.strip_defects:
        shown = len(summary.strip_defects) // 2
        summary = msgspec.structs.replace(summary, strip_defects=summary.strip_defects[:shown])
    return summary
