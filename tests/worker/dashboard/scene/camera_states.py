"""What the workers of the scene say about the cameras of the running line."""

from collections.abc import Iterator

import msgspec

from stripwatch.worker.contracts.events import ModelInfo
from stripwatch.worker.contracts.line.camera_state import (
    CAMERA_SCHEMA,
    CameraState,
    Condition,
    HeldCondition,
    NewestFrame,
    NoveltyCounts,
)
from stripwatch.worker.contracts.timestamps import rfc3339
from tests.worker.dashboard.scene.story import CAMERAS, NOVEL_CAMERA, REJECTING_CAMERA, RUNNING, SILENT_CAMERA

MODEL = ModelInfo("hot-strip-defects", "2026.11.2", "3f9a1c07" * 8, "bundle", "CUDAExecutionProvider")
FORGOTTEN_CAMERA = "top-4"  # its worker has stopped three minutes ago
# Camera, conditions, and since how many seconds they hold.
_CONDITIONS: dict[str, tuple[tuple[Condition, int], ...]] = {
    SILENT_CAMERA: (("silent", 15),),
    REJECTING_CAMERA: (("rejecting", 95),),
    "top-2": (("frozen", 20), ("dark", 310)),
    "bottom-1": (("blurred", 7200),),
    NOVEL_CAMERA: (("novel", 260),),
}


def states(now_s: float) -> Iterator[tuple[bytes, int]]:
    """Yield the value of each state, and when the page heard it, in milliseconds since 1970."""
    for camera in CAMERAS:
        age_s = 180 if camera == FORGOTTEN_CAMERA else 3
        yield msgspec.json.encode(state(camera, now_s, _CONDITIONS.get(camera, ()))), round((now_s - age_s) * 1000)


def state(camera: str, now_s: float, holding: tuple[tuple[Condition, int], ...] = (), **changes: object) -> CameraState:
    """Return the state of a camera of the running line. holding: conditions, and since how many seconds they hold."""

    def before(seconds: float) -> str:
        return rfc3339(round((now_s - seconds) * 1000))

    made = CameraState(
        schema=CAMERA_SCHEMA,
        camera=camera,
        line=RUNNING,
        stated_at=before(3),
        interval_s=10,
        conditions=[HeldCondition(name, before(seconds)) for name, seconds in holding],
        unchecked=[],
        since=before(min((seconds for _, seconds in holding), default=3600)),
        statistics={"brightness": 118.2, "contrast": 21.7, "sharpness": 0.0131},
        distances={"brightness": -0.3, "contrast": 0.1, "sharpness": 0.2},
        scores={"confidence": 0.94, "unsure": 0.02},
        window_s=60,
        frames=150,
        rejects={"truncated": 17, "empty": 4} if camera == REJECTING_CAMERA else {},
        frame=NewestFrame(before(1), "inspection.frames", 0, 9000),
        model=MODEL,
        worker="line-2-host-1-0",
        novelty=NoveltyCounts(600, 1500, 125 if camera == NOVEL_CAMERA else 13, 0.01),
    )
    return msgspec.structs.replace(made, **changes)
