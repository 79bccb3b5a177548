"""Sentences about the failing checks of /readyz. The name of a check says what holds when it passes."""

from collections.abc import Mapping

_TEXTS = {
    "bundle_verified": "the bundle is not loaded and verified yet",
    "broker_connected": "there is no connection to Kafka",
    "group_joined": "the worker has not joined its consumer group, or a rebalance is in progress",
    "few_rejects": "too many frames are rejected (rejects.share_max)",
    "topic_readable": "the topic of frames is missing or has partitions without a leader",
    "topics_writable": "an output topic cannot be written",
    "results_delivered": "Kafka does not acknowledge results",
    "clock_agrees": "Kafka refuses the time of this host",
    "stages_alive": "a thread of the worker has ended",
    "not_stopping": "it is stopping",
    "caught_up": "results and rejects have not been read to their end yet",
}
_PREFIXES = {
    "topic_writable:": "the topic {} cannot be written",
    "process_": "process {} is not ready",
}


def explain_failing(checks: Mapping[str, bool]) -> dict[str, str]:
    """Return what is wrong, by name of each check that fails."""
    return {name: _explanation(name) for name, passes in checks.items() if not passes}


def _explanation(name: str) -> str:
    for prefix, text in _PREFIXES.items():
        if name.startswith(prefix):
            return text.format(name.removeprefix(prefix))
    return _TEXTS.get(name, f"the check {name} fails")
