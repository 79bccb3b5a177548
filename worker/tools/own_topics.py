"""Topics for one run of a tool, on a broker that may have a real line on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from stripwatch.worker import topics as names
from stripwatch.worker.security import PLAINTEXT, Security
from stripwatch.worker.tools.connect import open_admin
from stripwatch.worker.tools.topics import create_topics, plan_topics

MESSAGE_BYTES_MAX = 16_777_216


@contextmanager
def own_topics(
    bootstrap_servers: str, prefix: str, partitions: int, security: Security = PLAINTEXT
) -> Iterator[dict[str, str]]:
    """The worker's topics by kind, made anew with this prefix; those with a prefix are removed at the end."""
    plans = [replace(plan, name=prefix + plan.name) for plan in plan_topics(partitions, 1, 1, MESSAGE_BYTES_MAX)]
    with open_admin(bootstrap_servers, security) as admin:
        create_topics(admin, plans)
    try:
        kinds = {"frames": names.FRAMES, "results": names.RESULTS, "defects": names.DEFECTS, "rejects": names.REJECTS}
        kinds |= {"evidence": names.EVIDENCE, "review": names.REVIEW}
        yield {kind: prefix + name for kind, name in kinds.items()}
    finally:
        if prefix:
            with open_admin(bootstrap_servers, security) as admin:
                admin.delete_topics([plan.name for plan in plans])
