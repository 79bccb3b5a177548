"""Models with a novelty score, for tests that need no session."""

from dataclasses import replace

import msgspec

from stripwatch.worker.contracts.model.model_record import NoveltySpec
from stripwatch.worker.model.bundle import Bundle
from stripwatch.worker.model.loaded_model import LoadedModel
from tests.models import make_model

SPEC = NoveltySpec(threshold=4.0, false_alarm_rate=0.01, method="made", frames=100, tolerance=0.1)


def novelty_model(spec: NoveltySpec | None = SPEC, sha256: str = "f" * 64, ignored: bool = False) -> LoadedModel:
    """Return a model with a novelty score. ignored: as if `novelty.verdict` were ignore."""
    model = make_model()
    manifest = msgspec.structs.replace(model.session.bundle.manifest, novelty=spec)
    model.session.bundle = Bundle(model.session.bundle.path, manifest, sha256, b"")
    threshold = None if ignored or spec is None else spec.threshold
    return replace(
        model,
        info=msgspec.structs.replace(model.info, sha256=sha256, novelty_threshold=threshold),
        policy=replace(model.policy, novelty_threshold=threshold),
    )
