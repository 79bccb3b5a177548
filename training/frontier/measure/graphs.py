"""ONNX graphs of candidates, made by the code of the export. Their weights in head and detector are random."""

from dataclasses import dataclass

import keras
import numpy as np
import onnx

from stripwatch.export.convert.graph.keras_to_onnx import to_onnx
from stripwatch.export.convert.quantize import QuantizedModels, in_eight_bits
from stripwatch.export.runs.keras_model import backbone_name, exported_view, view_outputs
from stripwatch.export.runs.novelty import NoveltyDetector
from stripwatch.export.runs.relative_distance import RelativeDistance
from stripwatch.training.frontier.measure.cuts import find_cuts
from stripwatch.training.frontier.plan.candidates import Candidate
from stripwatch.training.networks.catalog import find_network
from stripwatch.training.networks.classifier import Classifier, build_classifier
from stripwatch.training.networks.heads import OutputSpec
from stripwatch.training.networks.joined_maps import join_maps
from stripwatch.training.networks.several_maps import SEVERAL_MAPS
from stripwatch.training.novelty.components import AXES_MAX
from stripwatch.training.novelty.taps import Taps, choose_taps
from stripwatch.training.stress.random_changes import KINDS
from stripwatch.worker.images.decode_spec import Pixels

FEATURES_NAME = "features"
_DROPOUT = 0.2  # has no effect on the graph


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """What the graph of a candidate contains besides its backbone. outputs: of the head. novelty: has a score of it."""

    outputs: OutputSpec
    novelty: bool


def cut_backbone(candidate: Candidate, backbone: keras.Model) -> keras.Model:
    """Return the backbone of a candidate. backbone: of its pass."""
    choice = candidate.source.choice
    layer = next(cut.layer for cut in find_cuts(backbone, choice.cut) if cut.name == candidate.cut)
    return keras.Model(backbone.inputs, backbone.get_layer(layer).output, name=backbone.name)


def worker_graph(candidate: Candidate, backbone: keras.Model, spec: GraphSpec) -> tuple[onnx.ModelProto, str]:
    """Return the graph that a worker would run, with scores, heatmaps and novelty, and the name of its backbone layer.

    backbone: of the candidate. Raises ExportRejectedError if a layer cannot be converted.
    """
    whole = _classifier(candidate, backbone, spec.outputs).whole
    detector = _any_detector(choose_taps(backbone), spec.outputs.labels) if spec.novelty else None
    proto = to_onnx(exported_view(whole, "gap", detector), view_outputs("gap", detector))
    return proto, backbone_name(whole)


def features_graph(candidate: Candidate, backbone: keras.Model) -> tuple[onnx.ModelProto, str]:
    """Return a graph from frames to the pooled features of a candidate, and the name of its backbone layer."""
    features = _classifier(candidate, backbone, OutputSpec(2)).features
    return to_onnx(features, [FEATURES_NAME]), backbone_name(features)


def _classifier(candidate: Candidate, backbone: keras.Model, outputs: OutputSpec) -> Classifier:
    """Return the classifier that `fit` builds by default."""
    channels = 3 if candidate.source.decode.startswith("rgb") else 1
    network = find_network(candidate.source.choice.network)
    if network.name in SEVERAL_MAPS:
        backbone = join_maps(backbone, choose_taps(backbone).names)
    return build_classifier(network, backbone, outputs, _DROPOUT, True, "gap", channels)


def eight_bit_rungs(proto: onnx.ModelProto, backbone: str, frames: Pixels) -> QuantizedModels:
    """Yield int8 versions of a graph, as the export does. backbone: name of its layer. frames: for calibration."""
    return in_eight_bits(proto, backbone, frames)


def _any_detector(taps: Taps, labels: int) -> NoveltyDetector:
    """Return a detector with random numbers. The time it takes does not depend on them.

    Each label has a mean of unchanged frames and one for each kind of change. With several labels per frame, the
    detector of `fit` has these means for each set of labels instead.
    """
    rng = np.random.default_rng(0)
    axes, means = min(AXES_MAX, taps.features), labels * (1 + KINDS)

    def some(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    parts = (some(taps.features), some(taps.features, 2 * axes), some(taps.features, means), some(means))
    one = np.ones(1, np.float32)
    return NoveltyDetector(taps.names, taps.statistics, RelativeDistance(*parts, one, one))
