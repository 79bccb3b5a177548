"""What every step of a GPU run gets."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from stripwatch.worker.model.bundle import Bundle, read_bundle
from tests.gpu.plan import SIZES, ProviderName, Sizes


@dataclass(frozen=True)
class Setup:
    """models: where the bundles lie. model: the name of one, without its suffix."""

    models: Path
    model: str
    provider: ProviderName

    @property
    def path(self) -> Path:
        return self.models / f"{self.model}.onnx"

    @property
    def sizes(self) -> Sizes:
        return SIZES[self.provider]

    @cached_property
    def bundle(self) -> Bundle:
        return read_bundle(self.path)
