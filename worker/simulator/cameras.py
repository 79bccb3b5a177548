"""The cameras of a simulated line: which camera takes which image, when, and with which headers.

The headers follow CloudEvents 1.0 in the binary mode of its Kafka binding.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

from stripwatch.worker.common.clock import Clock
from stripwatch.worker.contracts import header_names
from stripwatch.worker.contracts.events import Box
from stripwatch.worker.contracts.frame_headers import Headers, cloudevent_headers
from stripwatch.worker.contracts.raw_layout import RawLayout
from stripwatch.worker.contracts.timestamps import rfc3339

_SOURCE = "/plant/hot-rolling/line-1"


@dataclass(frozen=True, slots=True)
class SourceImage:
    """One image file or raw buffer to send, with its true label and boxes if known.

    layout: layout of a raw buffer; None for an image file.
    """

    encoded: bytes
    content_type: str
    label: str | None = None
    file: str | None = None
    boxes: tuple[Box, ...] = ()
    layout: RawLayout | None = None


@dataclass(frozen=True, slots=True)
class CapturedFrame:
    """An image taken by a camera at a time and a strip position."""

    image: SourceImage
    camera: str
    coil: str
    strip_position_mm: int
    captured_at: datetime
    id: str

    def __str__(self) -> str:
        return self.image.file or f"frame {self.id}"

    def headers(self) -> Headers:
        source, time = f"{_SOURCE}/{self.camera}", rfc3339(round(self.captured_at.timestamp() * 1000))
        headers = cloudevent_headers(self.id, source, "frame", time, self.coil, self.image.content_type)
        position = (header_names.STRIP_POSITION_MM, str(self.strip_position_mm).encode())
        return [*headers, position, *layout_headers(self.image.layout)]


def layout_headers(layout: RawLayout | None) -> Headers:
    """Return the headers that describe a raw buffer; none for an image file."""
    if layout is None:
        return []
    fields = {
        header_names.PIXEL_FORMAT: layout.pixel_format,
        header_names.WIDTH_PX: layout.width_px,
        header_names.HEIGHT_PX: layout.height_px,
        header_names.STRIDE_BYTES: layout.stride_bytes,
    }
    return [(name, str(value).encode()) for name, value in fields.items() if value is not None]


@dataclass(frozen=True, slots=True)
class SimulatedLine:
    """The cameras of a simulated line and the motion of its strip.

    rate_fps: frames per second per camera; 0 is as fast as possible. coil_frames: a new coil starts, at strip position
    0, after this many frames per camera; 0 means a single coil.
    """

    cameras: int
    rate_fps: float
    mm_per_frame: float
    coil: str
    coil_frames: int = 0
    run_id: str = field(default_factory=lambda: uuid4().hex[:12])  # keeps event ids apart between runs

    def due_s(self, number: int) -> float:
        """Return when frame `number` of the line is due, in seconds after the start. The cameras rotate."""
        return number / (self.cameras * self.rate_fps) if self.rate_fps else 0.0

    def expose(self, number: int, shot: SourceImage, captured_at: datetime) -> CapturedFrame:
        """Return the image as a frame of the next camera in the rotation."""
        on_camera, camera = divmod(number, self.cameras)
        coil, in_coil = divmod(on_camera, self.coil_frames) if self.coil_frames else (0, on_camera)
        return CapturedFrame(
            image=shot,
            camera=f"top-{camera + 1}",
            coil=f"{self.coil}-{coil + 1:03d}" if self.coil_frames else self.coil,
            strip_position_mm=round(in_coil * self.mm_per_frame),
            captured_at=captured_at,
            id=f"{self.run_id}-{number}",
        )


def play(
    shots: Iterable[SourceImage],
    line: SimulatedLine,
    send: Callable[[CapturedFrame], None],
    clock: Clock,
    seconds_max: float,
) -> None:
    """Send each image when it is due, until there are no more, the time is over, or a stop is requested.

    A line that is behind schedule catches up without pauses, because real cameras do not wait for the network either.
    """
    started_s = clock.monotonic()
    for number, shot in enumerate(shots):
        elapsed_s = clock.monotonic() - started_s
        due_s = max(line.due_s(number), elapsed_s)
        if due_s >= seconds_max:
            return
        clock.sleep(due_s - elapsed_s)
        if clock.stopped:
            return
        send(line.expose(number, shot, clock.now()))
