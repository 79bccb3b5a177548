"""The search scores cuts on the features that the head of `fit` reads."""

from pathlib import Path

import keras
import numpy as np
import pytest

from stripwatch.training.fitting.fit_settings import FitSettings
from stripwatch.training.frontier.measure.graphs import cut_backbone
from stripwatch.training.frontier.measure.pooled_features import CutFeatures, build_for, pool_cuts
from stripwatch.training.frontier.plan.candidates import Candidate, Pass
from stripwatch.training.frontier.plan.network_option import NetworkChoice
from stripwatch.training.networks.catalog import find_network
from stripwatch.training.networks.classifier import build_classifier
from stripwatch.training.networks.heads import OutputSpec
from stripwatch.training.networks.joined_maps import join_maps, map_widths
from stripwatch.training.novelty.taps import choose_taps

pytestmark = pytest.mark.training


@pytest.mark.parametrize(("network", "alpha"), [("mobilenet", 0.25), ("mobilenetv3large", 0.5)])
def test_features_are_those_of_the_head_of_fit(network: str, alpha: float) -> None:
    keras.utils.set_random_seed(2)
    # 72x88 px give maps of 9x11, 5x6 and 3x3 cells, so pooling to a coarser map leaves cells out.
    source = Pass(NetworkChoice(network, network, alpha, "none"), (72, 88), "grey")
    several = FitSettings(Path("data"), Path("out"), network).joins_maps
    backbone = build_for(source)
    pooling = pool_cuts(source, backbone, channels=1)
    frames = np.random.default_rng(3).integers(0, 256, (3, 72, 88, 1), np.uint8)
    features = CutFeatures(pooling.model.predict(frames, verbose=0), pooling.names)

    joined_cuts = 0
    for cut in pooling.cuts:
        part = cut_backbone(Candidate(source, cut.name), backbone)
        read = join_maps(part, choose_taps(part).names) if several else part
        expected = build_classifier(find_network(network), read, OutputSpec(2), 0.2, True, channels=1).features.predict(
            frames, verbose=0
        )
        assert features.widths(cut) == list(map_widths(read))
        np.testing.assert_allclose(features.of(cut), expected, rtol=1e-4, atol=1e-5)
        joined_cuts += len(features.widths(cut)) > 1
    assert (joined_cuts > len(pooling.cuts) / 2) == several
    assert (len(features.pooled) < sum(map(len, pooling.names.values()))) == several  # cuts share maps
