"""The size limit of summaries: Kafka rejects records over a topic's message size limit, 1 MB by default."""

import msgspec

from stripwatch.worker.contracts.coil_summary import CoilSummary

_BYTES_MAX = 900_000  # leaves room for the key and headers


def within_limit(summary: CoilSummary) -> CoilSummary:
    """Drop strip defects until the summary fits. Long non-ASCII names take several bytes per character."""
    while len(msgspec.json.encode(summary)) > _BYTES_MAX and summary.strip_defects:
        shown = len(summary.strip_defects) // 2
        summary = msgspec.structs.replace(summary, strip_defects=summary.strip_defects[:shown])
    return summary
