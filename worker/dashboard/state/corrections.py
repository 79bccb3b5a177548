"""The corrections of the newest frames, as people made them on this page or another one."""

import threading
from collections import OrderedDict
from typing import Any

import structlog

from stripwatch.worker.contracts.frame_headers import ReviewHeaders
from stripwatch.worker.contracts.header_names import OWN_PREFIX
from stripwatch.worker.contracts.line.correction import Correction, read_correction

log = structlog.get_logger()
_KEPT = 300  # as many as the page has cards
_ID_CHARS_MAX = 400
_EVENT_ID = OWN_PREFIX + ReviewHeaders.__struct_fields__[0]


class Corrections:
    """The newest correction of each frame, by the id of its event. Thread-safe; keeps the 300 newest."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_event: OrderedDict[str, Correction] = OrderedDict()
        self._changes = 0

    @property
    def changes(self) -> int:
        """Number of changes so far."""
        with self._lock:
            return self._changes

    def add(self, event_id: str, correction: Correction) -> None:
        """Add a correction, unless a later one of the same frame is known."""
        with self._lock:
            known = self._by_event.get(event_id)
            if known == correction or (known and known.at_ms > correction.at_ms):
                return
            self._by_event[event_id] = correction
            self._by_event.move_to_end(event_id)
            self._changes += 1
            while len(self._by_event) > _KEPT:
                self._by_event.popitem(last=False)

    def add_record(self, record: Any) -> None:
        """Add the correction in a record of the review topic. Review frames are not corrections and are ignored."""
        try:
            correction = read_correction(record.headers)
            event_id = (dict(record.headers).get(_EVENT_ID) or b"").decode()
        except ValueError as error:
            log.warning("correction is not readable", offset=record.offset, error=str(error))
            return
        if correction and 0 < len(event_id) <= _ID_CHARS_MAX:
            self.add(event_id, correction)

    def of(self, event_id: str) -> Correction | None:
        with self._lock:
            return self._by_event.get(event_id)

    def rows(self) -> dict[str, dict[str, str]]:
        """Return the corrections as the page shows them, by the id of the event."""
        with self._lock:
            return {
                event_id: {"decision": each.decision, "label": each.label, "by": each.by, "at": each.at}
                for event_id, each in self._by_event.items()
            }
