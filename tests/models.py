"""Model for tests that need only some of its fields; it has no usable session unless a test provides one."""

from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np

from stripwatch.worker.contracts.events import ModelInfo
from stripwatch.worker.images.decode_spec import Image
from stripwatch.worker.model.batch_policy import BatchPolicy
from stripwatch.worker.model.bundle import Bundle, Threshold
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.model.session import Session, WarmedBatch
from stripwatch.worker.model.verdict import DecisionPolicy
from tests.tiny import tiny_contract

IMAGE = Image(np.zeros((1, 1, 1), np.uint8), 1, 1)


def make_model(**changes: Any) -> LoadedModel:
    """Return a model that decodes any frame to one black pixel and has the labels "clean" and "pits"."""
    bundle = Bundle(Path("made.onnx"), tiny_contract(), "f" * 64, b"")
    return replace(
        LoadedModel(
            info=ModelInfo("neu", "3", "f" * 64, "bundle"),
            session=Session(bundle, "CPUExecutionProvider", 0.0, [WarmedBatch(1, 1.0)], SimpleQueue()),
            decode=lambda *_: IMAGE,
            batch_policy=BatchPolicy([WarmedBatch(4, 1.0)], 4),
            policy=DecisionPolicy(("clean", "pits"), "clean", True, (Threshold(), Threshold()), False),
            heatmap_decoder=None,
        ),
        **changes,
    )
