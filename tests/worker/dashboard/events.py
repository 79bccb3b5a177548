"""Sample events for the page: two coils, one of them with names that contain HTML."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import cv2
import msgspec
import numpy as np

from stripwatch.worker.contracts.events import RESULT_SCHEMA, Box, Defect, Result, TimingMs, UnsureReason
from stripwatch.worker.contracts.frame_info import FrameInfo, StripSpan
from stripwatch.worker.contracts.timestamps import rfc3339
from tests.e2e.line import Line
from tests.worker.pipeline.samples import MODEL

HOSTILE = "<img src=x onerror=\"window.hacked='yes'\">"
LINE = "/plant/line-1"
FRAME_MM = 200
NOVELTY_THRESHOLD = 4.0


@dataclass(frozen=True)
class Shown:
    """One frame: its number on the coil, the coil, the camera, the label of its defect (if any), and its evidence.

    grey: grey level of its pixels. novelty: novelty score of a frame that the model was not trained on; its label is
    the class that is most like it.
    """

    number: int
    coil: str = "C1"
    camera: str = "top-1"
    label: str | None = None
    line: str | None = LINE
    evidence: bool | None = None
    grey: int = 128
    novelty: float | None = None


# No frame of C1 covers the stretch from 0.6 to 0.8 m.
SAMPLE = [
    *(Shown(n, camera="top-1") for n in (0, 2, 5)),
    *(Shown(n, camera="top-2") for n in (0, 2)),
    Shown(1, label="pits"),
    Shown(4, label="scratches", evidence=True),
    Shown(5, camera="top-2", label="scratches"),
    Shown(
        0,
        coil=HOSTILE,
        camera=f"<b>{HOSTILE}",
        label=f"<script>hacked='yes'</script>{HOSTILE}",
        line="/x/<i>l",
        evidence=True,
    ),
]


def event(shown: Shown, place: Any, captured: datetime) -> Result:
    """Build the result of a frame. A defect has a box in the middle of the frame's height.

    place: partition and offset of the frame.
    """
    start = FRAME_MM * shown.number
    box = Box(x=50, y=60, width=100, height=40)
    has_defect = shown.label is not None and shown.novelty is None
    defects = [Defect(shown.label or "", 0.9, box, StripSpan(start + 50, start + 150))] if has_defect else []
    return Result(
        schema=RESULT_SCHEMA,
        id=f"{shown.line}-{shown.coil}-{shown.camera}-{shown.number}",
        state="inspected",
        verdict="defect" if has_defect else "clean" if shown.novelty is None else "unsure",
        label=shown.label or "clean",
        score=0.9,
        scores={},
        defects=defects,
        frame=FrameInfo(
            camera=shown.camera,
            line=shown.line,
            coil=shown.coil,
            captured_at=rfc3339(round(captured.timestamp() * 1000)),
            strip_position_mm=start,
            side="top",
            lane_offset_mm=None,
            width_px=200,
            height_px=200,
            topic=place.topic,
            partition=place.partition,
            offset=place.offset,
            file=None,
            strip_mm=StripSpan(start, start + FRAME_MM),
        ),
        model=msgspec.structs.replace(
            MODEL.info,
            provider="CPUExecutionProvider" if shown.line == LINE else HOSTILE,
            novelty_threshold=NOVELTY_THRESHOLD,
        ),
        timing_ms=TimingMs(1, 1, 1, 3),
        evidence=shown.evidence,
        reason=None if shown.novelty is None else UnsureReason.NOVEL,
        novelty=shown.novelty,
    )


def publish(line: Line, shown: list[Shown]) -> None:
    """Send each frame, its evidence image (red) and its result, in this order."""
    red = cv2.imencode(".jpg", np.full((200, 200, 3), (0, 0, 255), np.uint8))[1].tobytes()
    begin = datetime.now(UTC) - timedelta(seconds=len(shown))
    with line.broker.producer() as producer:
        for at, one in enumerate(shown):
            grey = cv2.imencode(".jpg", np.full((200, 200), one.grey, np.uint8))[1].tobytes()
            place = producer.send(line.topics["frames"], grey, key=one.camera.encode()).get(30)
            result = event(one, place, begin + timedelta(seconds=at))
            if shown_there(one):
                producer.send(line.topics["evidence"], red, key=result.id.encode()).get(30)
            producer.send(line.topics["results"], msgspec.json.encode(result), key=one.camera.encode()).get(30)


def shown_there(one: Shown) -> bool:
    """Return whether the evidence image is on Kafka. The one announced by "late" is not."""
    return bool(one.evidence) and one.label != "late"


def publish_sample(line: Line) -> None:
    """Send the sample frames, then a record that is not an event, and a reject."""
    publish(line, SAMPLE)
    headers = [("ce_id", b"r1"), ("ce_source", b"/plant/line-1/top-2"), ("ce_subject", b"C1")]
    headers += [("ce_strippositionmm", b"800"), ("stripwatch_reason", b"truncated")]
    with line.broker.producer() as producer:
        producer.send(line.topics["results"], b"{not json").get(30)
        producer.send(line.topics["rejects"], b"\xff\xd8", key=b"top-2", headers=headers).get(30)
