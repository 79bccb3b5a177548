"""Pooled features of all cuts of a backbone, computed in one pass over all frames."""

from collections.abc import Callable, Sequence

import keras
import numpy as np

from stripwatch.export.runs.relative_distance import Array
from stripwatch.training.frontier.measure.cuts import Cut, find_cuts
from stripwatch.training.frontier.plan.candidates import Pass
from stripwatch.training.networks.backbone import build_backbone
from stripwatch.training.networks.catalog import find_network
from stripwatch.training.networks.classifier import frames_to_network
from stripwatch.training.preparation.input_pipeline import read_batches
from stripwatch.training.preparation.prepared_data import Subset
from stripwatch.worker.images.decode_spec import DecodeSpec

_BATCH = 32


def build_for(source: Pass) -> keras.Model:
    """Return the backbone of a pass with its weights. Raises what build_backbone raises."""
    choice = source.choice
    keras.backend.clear_session()  # frees the network before, and names layers as in a new process
    return build_backbone(find_network(choice.network), (*source.size, 3), choice.alpha, choice.weights, choice.cut)


def pool_cuts(source: Pass, backbone: keras.Model, channels: int) -> tuple[list[Cut], keras.Model]:
    """Return the cuts of a backbone, and a model from frames to their pooled features, float32 [n, c] each.

    channels: of the frames; 1 for grey. Pooling is that of the head `gap`.
    """
    cuts = find_cuts(backbone, source.choice.cut)
    maps = [backbone.get_layer(cut.layer).output for cut in cuts]
    pooled = keras.Model(backbone.inputs, [keras.ops.mean(each, axis=(1, 2)) for each in maps])
    frames, pixels = frames_to_network(find_network(source.choice.network), source.size, channels)
    return cuts, keras.Model(frames, pooled(pixels))


def compute_features(
    model: keras.Model, part: Subset, spec: DecodeSpec, on_frames: Callable[[int], None]
) -> list[Array]:
    """Return the features of all frames, float32 [n, c] for each output of the model.

    on_frames: called after each batch with its number of frames.
    """
    rows: list[Sequence[Array]] = []
    for batch, _ in read_batches(part, spec, _BATCH):
        found = model.predict_on_batch(batch)
        rows.append(found if isinstance(found, list | tuple) else [found])
        on_frames(len(batch))
    return [np.concatenate(column).astype(np.float32) for column in zip(*rows, strict=True)]
