"""Replaces the running model with another bundle after that bundle has passed its self-test.

Only frames and the pipeline hold a reference to a model. Any other reference would keep its memory after the reload.
"""

import threading
from collections.abc import Callable
from typing import Literal

import structlog
from prometheus_client import Counter

from stripwatch.worker.common.errors import StripwatchError
from stripwatch.worker.common.process.malloc import trim_malloc
from stripwatch.worker.model.bundle import Bundle
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.model.loading.bundle_store import ResolvedBundle, load_resolved

log = structlog.get_logger()


class ModelReloader:
    """Polls for another bundle, loads it on the thread that calls `run`, and passes the model on.

    If the other bundle is invalid, the running one stays in use, and the log and a metric report the reason once.

    choose: return the bundle that should run; must be cheap. open_model: load, verify and warm up a bundle; it calls
    its second argument from time to time, which raises to cancel the load. take: receives the verified model. outcomes:
    counter with the label values swapped and refused. running: SHA-256 of the running bundle, or None. what: name of
    the bundle in the log.
    """

    def __init__(
        self,
        choose: Callable[[], ResolvedBundle],
        open_model: Callable[[Bundle, Callable[[], None]], LoadedModel],
        take: Callable[[LoadedModel], None],
        outcomes: Counter,
        running: str | None,
        what: Literal["bundle", "shadow bundle"] = "bundle",
    ) -> None:
        self._choose = choose
        self._open_model = open_model
        self._take = take
        self._outcomes = outcomes
        self._running = running
        self._what = what
        self._refused: str | None = None
        self._seen: ResolvedBundle | str | None = None
        self._considered: ResolvedBundle | str | None = None
        self._trim_due = False
        self._stopping = threading.Event()
        self.outdated = running is None  # True while the running bundle is not the deployed one

    def run(self, check_s: float) -> None:
        """Poll every check_s seconds until `stop`. An unexpected error is logged and does not end the thread."""
        while not self._stopping.wait(check_s):
            try:
                self.poll()
            except Exception:
                log.exception("checking for another bundle failed")

    def stop(self) -> None:
        """Cancel a load.

        Join the thread afterwards: ONNX Runtime aborts a process that ends while it runs on another thread.
        """
        self._stopping.set()

    def poll(self) -> None:
        """Check once. A change counts if the next check finds it too, because the file may still be being copied."""
        if self._trim_due:  # one check later, when the old model has been freed with its last frame
            self._trim_due = False
            trim_malloc()
        found = self._find()
        if found == self._seen != self._considered:
            self._considered = found
            self._consider(found)
        self._seen = found

    def _find(self) -> ResolvedBundle | str:
        """Return the bundle that should run, or the reason why there is none."""
        try:
            return self._choose()
        except (StripwatchError, OSError) as error:
            return str(error)

    def _consider(self, found: ResolvedBundle | str) -> None:
        try:
            if isinstance(found, str):
                self._refuse(found)
            else:
                self._load(load_resolved(found))
        except _CancelledError:
            log.info(f"{self._what} load cancelled by the stop")
        except StripwatchError as error:
            self._refuse(str(error))
        except Exception as error:  # the running model must continue in any case
            log.exception(f"{self._what} load failed")
            self._refuse(f"{type(error).__name__}: {error}")

    def _load(self, bundle: Bundle) -> None:
        """Load a bundle and pass its model on. Raises what open_model raises."""
        if bundle.sha256 == self._running:  # rolled back, or only the modification time changed
            if self.outdated:
                log.info(f"the deployed {self._what} is the running one again", sha256=bundle.sha256)
            self._refused, self.outdated = None, False
            return
        self.outdated = True
        if bundle.sha256 == self._refused:  # the same bytes would be rejected again
            return
        log.info(
            f"loading another {self._what}",
            bundle=str(bundle.path),
            sha256=bundle.sha256,
        )
        self._refused, self._trim_due = bundle.sha256, True
        model = self._open_model(bundle, self._raise_if_cancelled)
        self._raise_if_cancelled()
        self._take(model)
        log.info(self._loaded_text(), version=model.info.version, sha256=bundle.sha256, before=self._running)
        self._outcomes.labels("swapped").inc()
        self._running, self._refused, self.outdated = bundle.sha256, None, False

    def _raise_if_cancelled(self) -> None:
        if self._stopping.is_set():
            raise _CancelledError

    def _loaded_text(self) -> str:
        if self._what == "bundle":
            return "model reloaded"
        return "shadow model reloaded" if self._running else "shadow model loaded"

    def _refuse(self, why: str) -> None:
        self.outdated = True
        if self._what == "shadow bundle" and self._running is None:
            log.error("shadow bundle rejected", error=why, effect="no shadow runs; frames are inspected as usual")
        else:
            log.error(f"{self._what} rejected", error=why, running=self._running)
        self._outcomes.labels("refused").inc()


class _CancelledError(Exception):
    """The worker is stopping while a bundle is being loaded."""
