"""Every network and every head through the export once: ONNX Runtime computes what Keras computes."""

import keras
import numpy as np
import pytest

from export.convert import to_onnx
from export.model import exported_view
from export.parity import prove_parity
from export.runfolder import Head, Task
from tests.lively import enliven
from training.backbone import build_backbone
from training.classifier import build_classifier
from training.heads import Answers
from training.networks import NETWORKS, find_network
from worker.decode import Pixels

pytestmark = pytest.mark.training

LABELS = 3
RNG = np.random.default_rng(2)


def frames_of(side_px: int) -> Pixels:
    """16 frames of coarse noise, different in contrast and brightness, so that no two are alike to a network."""
    coarse = RNG.normal(0, 1, (16, side_px // 8, side_px // 8, 3)).repeat(8, axis=1).repeat(8, axis=2)
    contrast, brightness = RNG.uniform(10, 60, (16, 1, 1, 1)), RNG.uniform(60, 190, (16, 1, 1, 3))
    return np.asarray((coarse * contrast + brightness).clip(0, 255), np.uint8)


def lively_classifier(name: str, frames: Pixels, head: Head, task: Task, cut: str = "") -> keras.Model:
    """Scores that differ from frame to frame: logits with a deviation of about 0.5."""
    network = find_network(name)
    backbone = build_backbone(network, frames.shape[1:], 1.0, "none", cut)
    classifier = build_classifier(network, backbone, Answers(LABELS, task), 0.2, frozen=True, head=head)
    enliven(classifier.whole, frames)
    features = classifier.features.predict(frames, verbose=0)
    width = classifier.first.kernel.shape[1]
    spread = np.linalg.norm(features - features.mean(0), axis=1).mean()
    kernel = RNG.normal(0, 0.5 / spread, (features.shape[1], width))
    classifier.first.set_weights([kernel, -features.mean(0) @ kernel])
    return classifier.whole


EVERY_NETWORK = [(name, 128 if name == "inceptionv3" else 72, "gap", "multiclass", "") for name in NETWORKS]
OTHERS = [
    ("mobilenet", 160, "article", "multiclass", ""),
    ("vgg19", 32, "article", "multilabel", "block2_pool"),
    ("xception", 72, "gap", "multilabel", "before:block14_sepconv1"),
]


@pytest.mark.parametrize(("name", "side_px", "head", "task", "cut"), EVERY_NETWORK + OTHERS)
def test_onnx_runtime_computes_what_keras_computes(name: str, side_px: int, head: Head, task: Task, cut: str) -> None:
    frames = frames_of(side_px)
    model = lively_classifier(name, frames, head, task, cut)
    view = exported_view(model, head)
    outputs = dict(zip(("scores", "heatmaps"), keras.tree.flatten(view.predict(frames, verbose=0)), strict=False))
    assert np.ptp(outputs["scores"], axis=0).min() > 0.1  # or parity would prove nothing
    parity = prove_parity(to_onnx(view).SerializeToString(), frames, outputs)
    assert parity.score_difference <= 5e-5
    assert (parity.heatmap_difference is None) == (head != "gap")
