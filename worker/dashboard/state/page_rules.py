"""The rules by which the page closes coils: those of `stripwatch coils`, with tighter memory limits."""

from dataclasses import replace

from stripwatch.worker.coils.tracking.coil_tracker import CoilRules
from stripwatch.worker.config.settings import Settings


def _limited(rules: CoilRules) -> CoilRules:
    return replace(rules, frames_max=100_000, frames_kept_max=500_000, open_max=100)


RULES = _limited(CoilRules())


def page_rules(settings: Settings) -> CoilRules:
    return _limited(CoilRules.of(settings))
