"""Every network and every head is exported once: ONNX Runtime must match Keras."""

import keras
import numpy as np
import pytest

from stripwatch.export.convert.graph.keras_to_onnx import to_onnx
from stripwatch.export.convert.parity import check_parity
from stripwatch.export.runs.keras_model import exported_view
from stripwatch.export.runs.run_folder import Head, Task
from stripwatch.training.networks.catalog import NETWORKS
from stripwatch.worker.images.decode_spec import Pixels
from tests.lively import frames_of, lively_classifier

pytestmark = pytest.mark.training


EVERY_NETWORK = [(name, 128 if name == "inceptionv3" else 72, "gap", "multiclass", "") for name in NETWORKS]
CUT = [
    ("vgg19", 32, "paper-baseline", "multilabel", "block2_pool"),
    ("xception", 72, "gap", "multilabel", "before:block14_sepconv1"),
]
NETWORK_CASES = [
    pytest.param(*case, marks=[] if case[0] == "mobilenet" else pytest.mark.long) for case in EVERY_NETWORK + CUT
]
HEADS: list[Head] = ["gap", "paper-baseline", "dense"]
TASKS: list[Task] = ["multiclass", "multilabel"]


def prove(model: keras.Model, head: Head, frames: Pixels) -> None:
    """Check parity at batch sizes 1, 3 and 16, on frames for which the model gives different scores."""
    view = exported_view(model, head)
    outputs = dict(zip(("scores", "heatmaps"), keras.tree.flatten(view.predict(frames, verbose=0)), strict=False))
    assert np.ptp(outputs["scores"], axis=0).min() > 0.1  # equal scores would make the parity check meaningless
    parity = check_parity(to_onnx(view).SerializeToString(), frames, outputs)
    assert parity.score_difference <= 5e-5
    assert (parity.heatmap_difference is None) == (head == "paper-baseline")


@pytest.mark.parametrize(("name", "side_px", "head", "task", "cut"), NETWORK_CASES)
def test_every_network_matches_keras(name: str, side_px: int, head: Head, task: Task, cut: str) -> None:
    frames = frames_of(side_px)
    prove(lively_classifier(name, frames, head, task, cut), head, frames)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("head", HEADS)
def test_every_head_and_task_matches_keras(head: Head, task: Task) -> None:
    frames = frames_of(160)
    prove(lively_classifier("mobilenet", frames, head, task, alpha=0.25), head, frames)
