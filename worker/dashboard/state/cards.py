"""The list of the newest defects and novel frames, and an event as the list shows it."""

from collections import deque

import msgspec

from stripwatch.worker.coils.grading.coil_state import GradingRules
from stripwatch.worker.coils.tracking.observations import Observation
from stripwatch.worker.contracts.coil_summary import Severity
from stripwatch.worker.contracts.events import Box, Defect, Result, UnsureReason
from stripwatch.worker.contracts.frame_info import StripSpan
from stripwatch.worker.contracts.positions import Position
from stripwatch.worker.contracts.timestamps import rfc3339
from stripwatch.worker.dashboard.state.evidence_index import position_of_frame

CARDS_MAX = 300
_BOXES_MAX = 50


class DefectCard(msgspec.Struct, frozen=True):
    """One entry in the list of the newest defects and novel frames.

    seq: number of the card, counted from 1 in each run of the server. picture: address of the picture, unique to this
    run of the server because browsers cache pictures. evidence: as stated in the event. The location is that of the
    defect that gives the card its name: strip_mm along the strip, side, and width and distances from the edges across.

    novel: the frame is novel, so it has no defects; label and score are those of the class that is most like it.
    novelty, novelty_threshold: as in the event.
    """

    seq: int
    picture: str
    id: str
    line: str | None
    coil: str | None
    camera: str
    captured_at: str
    label: str
    score: float
    labels: list[str]
    boxes: list[Box]
    strip_mm: tuple[int, int] | None
    width_px: int | None
    height_px: int | None
    model: str
    evidence: bool | None
    severity: Severity
    side: str | None
    width_mm: float | None
    left_edge_mm: float | None
    right_edge_mm: float | None
    novel: bool = False
    novelty: float | None = None
    novelty_threshold: float | None = None


def card_of(
    result: Result, observation: Observation, run_id: str, seq: int, grading: GradingRules | None = None
) -> DefectCard:
    """Build the card of a result with at least one defect, named after its most serious one, or of a novel frame.

    observation: the same frame, with its resolved position.
    """
    grading = grading or GradingRules()
    frame = result.frame
    best = max(
        result.defects,
        key=lambda defect: grading.seriousness(defect.label, defect.score),
        default=Defect(result.label or "", result.score or 0.0, None, frame.strip_mm),
    )
    at_mm, span = observation.position_mm, best.strip_mm
    if at_mm is None:
        span = None
    elif span is None:  # without the camera's scale, the start of the frame is the only position
        span = StripSpan(at_mm, at_mm)
    return DefectCard(
        seq=seq,
        picture=f"{run_id}/{seq}",
        id=result.id,
        line=frame.line,
        coil=frame.coil,
        camera=frame.camera,
        captured_at=rfc3339(observation.captured_ms),
        label=best.label,
        score=best.score,
        labels=sorted({defect.label for defect in result.defects}),
        boxes=[defect.box_px for defect in result.defects if defect.box_px][:_BOXES_MAX],
        strip_mm=(span.start, span.end) if span else None,
        width_px=frame.width_px,
        height_px=frame.height_px,
        model=f"{result.model.name} {result.model.version}",
        evidence=result.evidence,
        severity=grading.severity_of(best.label),
        side=frame.side,
        width_mm=best.width_mm,
        left_edge_mm=best.left_edge_mm,
        right_edge_mm=best.right_edge_mm,
        novel=is_novel(result),
        novelty=result.novelty,
        novelty_threshold=result.model.novelty_threshold,
    )


def is_novel(result: Result) -> bool:
    return result.reason is UnsureReason.NOVEL


class CardList:
    """The newest 300 cards with the positions of their frames and the results behind them. Not thread-safe."""

    def __init__(self, run_id: str, grading: GradingRules) -> None:
        self._run_id = run_id
        self._grading = grading
        self._cards: deque[tuple[DefectCard, Position | None]] = deque(maxlen=CARDS_MAX)
        self._results: deque[tuple[str, Result]] = deque(maxlen=CARDS_MAX)
        self._next_seq = 1

    def add(self, result: Result, observation: Observation, correctable: Result | None) -> None:
        """Add the card of a result with a defect or of a novel frame.

        correctable: the same result as Kafka has it, to correct it.
        """
        card = card_of(result, observation, self._run_id, self._next_seq, self._grading)
        self._cards.append((card, position_of_frame(result)))
        if correctable is not None:
            self._results.append((card.picture, correctable))
        self._next_seq += 1

    def after(self, seq: int) -> list[DefectCard]:
        return [card for card, _ in self._cards if card.seq > seq]

    def position(self, picture: str) -> tuple[DefectCard, Position | None] | None:
        return next((entry for entry in self._cards if entry[0].picture == picture), None)

    def result(self, picture: str) -> Result | None:
        return next((result for name, result in self._results if name == picture), None)
