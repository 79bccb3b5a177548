"""Another bundle takes the place of the one that runs, once it has proved itself beside it.

Only frames and the pipeline hold a model; whoever else did would keep its memory after the swap.
"""

import threading
from collections.abc import Callable

import structlog
from prometheus_client import Counter

from stripwatch.worker.common.errors import StripwatchError
from stripwatch.worker.common.process.malloc import trim_malloc
from stripwatch.worker.model.bundle import Bundle
from stripwatch.worker.model.bundle_store import ResolvedBundle, load_resolved
from stripwatch.worker.model.loaded_model import LoadedModel

log = structlog.get_logger()


class ModelReloader:
    """Looks for another bundle, loads it on the thread that calls `run`, and hands it on.

    choose: what should run now; cheap. open_model: loads, verifies and warms up; what it is given is called
    now and then, and raises to break it off. take: gets what passed.
    outcomes: counts by outcome, swapped or refused. running: the sha256 of the bundle that runs, None if none does.
    Whatever is wrong with the other bundle, the one that runs stays, and log and metrics say why, once.
    """

    def __init__(
        self,
        choose: Callable[[], ResolvedBundle],
        open_model: Callable[[Bundle, Callable[[], None]], LoadedModel],
        take: Callable[[LoadedModel], None],
        outcomes: Counter,
        running: str | None,
    ) -> None:
        self._choose = choose
        self._open_model = open_model
        self._take = take
        self._outcomes = outcomes
        self._running = running
        self._refused: str | None = None
        self._seen: ResolvedBundle | str | None = None
        self._considered: ResolvedBundle | str | None = None
        self._trim_due = False
        self._stopping = threading.Event()
        self.outdated = running is None  # what should run is not what runs

    def run(self, check_s: float) -> None:
        """Until `stop`. A check that fails for an unforeseen reason is logged, and does not end the thread."""
        while not self._stopping.wait(check_s):
            try:
                self.poll()
            except Exception:
                log.exception("looking for another bundle failed")

    def stop(self) -> None:
        """A load is broken off. Join the thread: a process that ends while ONNX Runtime works on another is aborted."""
        self._stopping.set()

    def poll(self) -> None:
        """Check once. A change counts when the next check finds it too: a file may still be copied to its place."""
        if self._trim_due:  # one check after the load: by now the old model has gone with its last frame
            self._trim_due = False
            trim_malloc()
        found = self._find()
        if found == self._seen != self._considered:
            self._considered = found
            self._consider(found)
        self._seen = found

    def _find(self) -> ResolvedBundle | str:
        """What should run, or why nothing is there."""
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
            log.info("loading broken off by the stop")
        except StripwatchError as error:
            self._refuse(str(error))
        except Exception as error:  # what runs must continue, whatever this was
            log.exception("loading a bundle failed")
            self._refuse(f"{type(error).__name__}: {error}")

    def _load(self, bundle: Bundle) -> None:
        """Raises what open_model raises."""
        if bundle.sha256 == self._running:  # rolled back, or only its time was changed
            self._refused, self.outdated = None, False
            return
        self.outdated = True
        if bundle.sha256 == self._refused:  # the same bytes again would be refused again
            return
        log.info("loading another bundle", bundle=str(bundle.path), sha256=bundle.sha256)
        self._refused, self._trim_due = bundle.sha256, True
        model = self._open_model(bundle, self._raise_if_cancelled)
        self._raise_if_cancelled()
        self._take(model)
        log.info("bundle swapped", version=model.info.version, sha256=bundle.sha256, before=self._running)
        self._outcomes.labels("swapped").inc()
        self._running, self._refused, self.outdated = bundle.sha256, None, False

    def _raise_if_cancelled(self) -> None:
        if self._stopping.is_set():
            raise _CancelledError

    def _refuse(self, why: str) -> None:
        self.outdated = True
        log.error("bundle refused", error=why, running=self._running)
        self._outcomes.labels("refused").inc()


class _CancelledError(Exception):
    """The worker stops while a bundle is being loaded."""
