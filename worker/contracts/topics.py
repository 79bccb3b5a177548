"""Default names of the Kafka topics."""

from collections.abc import Iterable

FRAMES = "inspection.frames"
RESULTS = "inspection.results"
DEFECTS = "inspection.defects"
EVIDENCE = "inspection.evidence"
REJECTS = "inspection.rejects"
REVIEW = "inspection.review"
SHADOW = "inspection.shadow"
COILS = "inspection.coils"
ACKNOWLEDGEMENTS = "inspection.acknowledgements"
CAMERAS = "inspection.cameras"

ALL = (FRAMES, RESULTS, DEFECTS, EVIDENCE, REJECTS, REVIEW, SHADOW, COILS, ACKNOWLEDGEMENTS, CAMERAS)
COMPACTED = (ACKNOWLEDGEMENTS, CAMERAS)  # they keep the newest record of each key


def how_to_create(topics: Iterable[str]) -> str:
    """Return the advice for missing topics. `stripwatch topics` knows only the default names."""
    if set(topics) <= set(ALL):
        return "create it with 'stripwatch topics'"
    return "correct the name, or create it with the tools of Kafka ('stripwatch topics' creates only the default names)"
