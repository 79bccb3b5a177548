"""The checks of /readyz, which respond from the first moment on: "not ready yet" is a response too."""

from typing import Protocol

from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.monitoring.health import Checks


class WorkerState(Protocol):
    """The part of a worker that its readiness depends on."""

    stopping: bool

    @property
    def paused(self) -> bool: ...

    @property
    def connected(self) -> bool: ...

    @property
    def joined(self) -> bool: ...

    @property
    def topic_readable(self) -> bool: ...

    @property
    def unwritable_topics(self) -> tuple[str, ...]: ...

    @property
    def delivering(self) -> bool: ...

    @property
    def clock_agrees(self) -> bool: ...

    @property
    def alive(self) -> bool: ...

    @property
    def reject_rate_is_high(self) -> bool: ...


class Readiness:
    """Evaluates the checks of /readyz. Before the worker exists, its checks fail."""

    def __init__(self) -> None:
        self.bundle_verified = False  # verified and warmed up on the configured provider
        self.worker: WorkerState | None = None

    def verified(self, model: LoadedModel) -> LoadedModel:
        self.bundle_verified = True
        return model

    def paused(self) -> bool:
        return self.worker is not None and self.worker.paused

    def holds(self) -> bool:
        return all(self.checks().values())

    def checks(self) -> Checks:
        worker = self.worker
        unwritable = worker.unwritable_topics if worker is not None else ()
        return {
            "bundle_verified": self.bundle_verified,
            "broker_connected": worker is not None and worker.connected,
            "group_joined": worker is not None and worker.joined,
            "few_rejects": worker is not None and not worker.reject_rate_is_high,
            "topic_readable": worker is not None and worker.topic_readable,
            "topics_writable": worker is not None and not unwritable,
            **{f"topic_writable:{topic}": False for topic in unwritable},  # listed only while it fails
            "results_delivered": worker is not None and worker.delivering,
            "clock_agrees": worker is not None and worker.clock_agrees,
            "stages_alive": worker is not None and worker.alive,
            "not_stopping": worker is not None and not worker.stopping,
        }
