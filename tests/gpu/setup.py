"""Input of every step of a GPU run."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from stripwatch.worker.model.bundle import Bundle
from stripwatch.worker.model.bundle_reader import read_bundle
from tests.gpu.plan import SIZES, ProviderName, Sizes


@dataclass(frozen=True)
class Setup:
    """Input of a step. models: folder of the bundles. model: file name of the step's bundle, without suffix."""

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
