"""The models that inspected the newest frames."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import msgspec

from stripwatch.worker.contracts.events import ModelInfo

_MODELS_MAX = 16


@dataclass(slots=True)
class _ModelView:
    frames: int = 0
    last_ms: int = 0


class ModelViews:
    """Counts the frames of each model. Keeps the 16 models that were used last. Not thread-safe."""

    def __init__(self) -> None:
        self._models: OrderedDict[ModelInfo, _ModelView] = OrderedDict()

    def add(self, model: ModelInfo, timestamp_ms: int) -> None:
        view = self._models.setdefault(model, _ModelView())
        view.frames += 1
        view.last_ms = max(view.last_ms, timestamp_ms)
        self._models.move_to_end(model)
        while len(self._models) > _MODELS_MAX:
            self._models.popitem(last=False)

    def rows(self) -> list[dict[str, Any]]:
        """Return the models with their number of frames and the time of their newest result, newest first."""
        return [
            msgspec.to_builtins(info) | {"frames": view.frames, "last_ms": view.last_ms}
            for info, view in reversed(self._models.items())
        ]
