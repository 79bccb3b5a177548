"""Publishes the decision of a person about a frame, together with the original bytes of the frame."""

import time
from collections.abc import Callable
from typing import Any, Literal

import structlog

from stripwatch.worker.common.errors import BrokerUnavailableError, FrameRejected
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.camera_source import NAME_CHARS_MAX
from stripwatch.worker.contracts.events import Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.contracts.frame_headers import ANOMALY
from stripwatch.worker.contracts.line.correction import Correction, Decision, correction_headers
from stripwatch.worker.contracts.positions import Position
from stripwatch.worker.contracts.timestamps import rfc3339
from stripwatch.worker.dashboard.state.evidence_index import position_of_frame
from stripwatch.worker.dashboard.state.history import History
from stripwatch.worker.dashboard.writing.page_producer import PageProducer
from stripwatch.worker.monitoring.view_metrics import ViewMetrics
from stripwatch.worker.pipeline.produce.record_builder import review_headers

log = structlog.get_logger()
_KIND_CHARS_MAX = 60


class CorrectionRefusedError(Exception):
    """A correction that was not written.

    Attributes:
        status: 400 (wrong decision), 404 (unknown frame), 409 (another frame), 410 (frame is gone) or 503 (no Kafka).
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Corrector:
    """Corrects predictions on the cards of the page. Blocking; for any thread.

    fetch: returns a frame with its original bytes and headers, None if it is gone; raises BrokerUnavailableError.
    """

    def __init__(
        self,
        settings: Settings,
        history: History,
        fetch: Callable[[Position], Frame | None],
        producer: PageProducer,
        metrics: ViewMetrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._topic = settings.topics.review
        self._history = history
        self._fetch = fetch
        self._producer = producer
        self._metrics = metrics
        self._clock = clock

    def choices(self, picture: str) -> dict[str, Any]:
        """Return the classes that a person may choose for a card. Raises CorrectionRefusedError if it is unknown.

        labels: classes of the model that mean a defect. predicted: the most certain of the frame; of a novel frame, the
        one that is most like it. no_defect: label that means "no defect", null if the model has none. An anomaly model
        names no kind of defect: it has no labels to choose from, and `predicted` is null.
        """
        result = self._result(picture)
        no_defect = result.model.no_defect
        if result.model.task == ANOMALY:
            return {"labels": [], "predicted": None, "no_defect": no_defect}
        labels = sorted(label for label in result.scores if label != no_defect)
        return {"labels": labels, "predicted": _predicted(result), "no_defect": no_defect}

    def correct(
        self, picture: str, decision: Decision | Literal["new_kind"], label: str | None, person: str
    ) -> Correction:
        """Write a correction, and return it once Kafka has acknowledged it.

        Args:
            picture: The card, as RUN/SEQ.
            decision: Decision of the person. "new_kind", a defect of a kind that the model does not know, is written as
                "relabelled" with a label that the model does not have.
            label: Class that the person chose; only for "relabelled". Name of the new kind for "new_kind".
            person: Name of the person.

        Raises:
            CorrectionRefusedError: Nothing was written.
        """
        result = self._result(picture)
        counted = decision
        decision, label = _checked(decision, label, result)
        frame = self._frame(result)
        earlier = self._history.corrections.of(result.id)
        at_ms = max(round(self._clock() * 1000), earlier.at_ms + 1 if earlier else 0)  # the later correction counts
        correction = Correction(decision, label, person, rfc3339(at_ms), result.verdict or "")
        try:
            headers = correction_headers(correction, result.id, review_headers(result, frame, "correction"))
            self._producer.send(self._topic, frame.camera.encode(), frame.encoded, headers)
        except BrokerUnavailableError as error:
            log.warning("correction not written", id=result.id, by=person, error=str(error))
            raise CorrectionRefusedError(503, f"the correction was not saved: {error}") from error
        except FrameRejected as error:
            raise CorrectionRefusedError(409, f"the frame on Kafka is damaged: {error}") from error
        self._history.corrections.add(result.id, correction)
        self._metrics.corrections.labels("new_kind" if counted == "new_kind" else decision).inc()
        log.info("prediction corrected", id=result.id, decision=decision, label=label, by=person)
        return correction

    def _result(self, picture: str) -> Result:
        result = self._history.result(picture)
        if result is None:
            raise CorrectionRefusedError(404, "this defect is no longer in the list of the page; nothing was saved")
        return result

    def _frame(self, result: Result) -> Frame:
        """Fetch the record of a frame. The id of the result depends on it, so another frame is recognized."""
        position = position_of_frame(result)
        gone = CorrectionRefusedError(410, "the frame is no longer on Kafka, so it cannot be corrected")
        if position is None:
            raise gone
        try:
            frame = self._fetch(position)
        except BrokerUnavailableError as error:
            raise CorrectionRefusedError(503, f"cannot fetch the frame, nothing was saved: {error}") from error
        if frame is None or not frame.encoded:
            raise gone
        if frame.id != result.id:
            raise CorrectionRefusedError(
                409, "Kafka has another frame in this place, because the topic was recreated; nothing was saved"
            )
        return frame


def _predicted(result: Result) -> str:
    """Return the most certain class of a frame; of a novel frame, the class that is most like it."""
    return max(((defect.score, defect.label) for defect in result.defects), default=(0.0, result.label or ""))[1]


def _new_kind(name: str, result: Result) -> str:
    """Return the name of a kind of defect that the model does not know. Raises CorrectionRefusedError.

    The name becomes a class, and so a folder (`train collect`).
    """
    name = " ".join(name.split())
    if not name.isprintable() or not 0 < len(name) <= _KIND_CHARS_MAX or name[0] in "._" or {"/", "\\"} & set(name):
        raise CorrectionRefusedError(
            400,
            f"the name of a new kind of defect must have 1 to {_KIND_CHARS_MAX} printable characters without / and \\, "
            "and must not begin with '.' or '_'",
        )
    known = {each.casefold(): each for each in (*result.scores, result.model.no_defect or "")}
    if name.casefold() in known:
        raise CorrectionRefusedError(
            400, f"the model already has the class {known[name.casefold()]!r}: choose it in the list of classes"
        )
    return name


def _checked(decision: Decision | Literal["new_kind"], label: str | None, result: Result) -> tuple[Decision, str]:
    """Return the decision and the true label. Raises CorrectionRefusedError for an unknown class."""
    if decision == "new_kind":
        return "relabelled", _new_kind(label or "", result)
    predicted, no_defect = _predicted(result), result.model.no_defect
    if (label is not None) != (decision == "relabelled"):
        raise CorrectionRefusedError(400, "a label is needed for 'relabelled', and only for it")
    if decision == "not_a_defect" or no_defect == (predicted if label is None else label):
        return "not_a_defect", no_defect or ""
    if label is not None and label not in result.scores:
        known = ", ".join(sorted(result.scores))[:500]
        raise CorrectionRefusedError(400, f"the model has no class {label[:100]!r}; its classes are {known}")
    if result.model.task == ANOMALY:
        raise CorrectionRefusedError(
            400, "an anomaly model names no kind of defect: give the defect a name, or choose that it is not a defect"
        )
    chosen = predicted if label is None else label
    if not chosen.strip() or not chosen.isprintable() or len(chosen) > NAME_CHARS_MAX:
        raise CorrectionRefusedError(400, f"the class {chosen[:100]!r} cannot be written to a header")
    return ("confirmed" if chosen == predicted else "relabelled"), chosen
