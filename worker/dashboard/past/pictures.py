"""The addresses of pictures in reports, and the frames and evidence images behind them."""

import hashlib
import threading
from collections import OrderedDict

from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.positions import Position
from stripwatch.worker.dashboard.past.coil_reading import DefectFrame
from stripwatch.worker.dashboard.past.evidence_finder import EvidenceFinder
from stripwatch.worker.dashboard.state.evidence_index import EvidenceIndex

_KEPT = 2_000


class ReportPictures:
    """Frames that a report of this run of the server shows. Thread-safe.

    An address is made from the id of the event, so it shows the same picture in each run. Only frames of a report can
    be fetched.
    """

    def __init__(self, settings: Settings, evidence: EvidenceIndex) -> None:
        self._newest = evidence
        self._finder = EvidenceFinder(settings)
        self._lock = threading.Lock()
        self._frames: OrderedDict[str, DefectFrame] = OrderedDict()

    def add(self, frame: DefectFrame) -> str:
        """Make a frame available. Return the last part of its address."""
        name = hashlib.sha256(frame.id.encode(errors="replace")).hexdigest()[:24]
        with self._lock:
            self._frames[name] = frame
            self._frames.move_to_end(name)
            while len(self._frames) > _KEPT:
                self._frames.popitem(last=False)
        return name

    def find(self, name: str) -> DefectFrame | None:
        with self._lock:
            return self._frames.get(name)

    def evidence(self, frame: DefectFrame) -> Position | None:
        """Return the position of the evidence image of a frame; None if there is none."""
        if frame.evidence is not True:
            return None
        return self._newest.find(frame.id) or self._finder.find(frame.id, frame.recorded_ms)

    def close(self) -> None:
        self._finder.close()
