from pathlib import Path

import keras
import numpy as np
import pytest

from stripwatch.training.frontier.measure.cuts import find_cuts, multiplications
from stripwatch.training.frontier.measure.graphs import cut_backbone
from stripwatch.training.frontier.plan.candidates import Candidate, Pass
from stripwatch.training.frontier.plan.network_option import NetworkChoice
from stripwatch.training.networks.backbone import build_backbone
from stripwatch.training.networks.catalog import find_network

pytestmark = pytest.mark.training


def residual() -> keras.Model:
    """Return a network of two sums, of which Keras numbers the first one."""
    image = keras.Input((32, 32, 3))
    start = keras.layers.Conv2D(8, 3, 8, "same", name="start")(image)
    first = keras.layers.Add()([start, keras.layers.Conv2D(8, 1, name="branch_a")(start)])
    inner = keras.layers.ReLU(name="act_b")(first)
    second = keras.layers.Add(name="sum_b")([first, keras.layers.Conv2D(8, 1, name="branch_b")(inner)])
    end = keras.layers.Conv2D(4, 1, name="end")(second)
    return keras.Model(image, end, name="residual")


def test_a_numbered_layer_is_named_by_one_that_reads_it() -> None:
    network = residual()
    assert [(cut.name, cut.channels) for cut in find_cuts(network, "")] == [("before:act_b", 8), ("sum_b", 8), ("", 4)]


def test_multiplications_are_those_of_the_convolutions_up_to_the_cut() -> None:
    first, second, whole = (cut.macs for cut in find_cuts(residual(), ""))
    cells, start, branch = 4 * 4, 3 * 3 * 3 * 8, 8 * 8
    assert first == cells * (start + branch)
    assert second == cells * (start + 2 * branch)
    assert whole == cells * (start + 2 * branch + 8 * 4)
    assert multiplications([]) == 0


def test_a_cut_of_mobilenet_is_what_fit_builds(random_weights: Path) -> None:
    choice = NetworkChoice("small", "mobilenet", 0.25, str(random_weights))
    network, size = find_network("mobilenet"), (32, 32)
    keras.backend.clear_session()
    whole = build_backbone(network, (*size, 3), 0.25, choice.weights)
    cut = find_cuts(whole, "")[3]
    assert cut.name.startswith("conv_pw_")
    own = cut_backbone(Candidate(Pass(choice, size, "rgb"), cut.name), whole)
    by_fit = build_backbone(network, (*size, 3), 0.25, choice.weights, cut.name)
    image = np.random.default_rng(0).normal(size=(1, *size, 3)).astype(np.float32)
    assert np.array_equal(own.predict_on_batch(image), by_fit.predict_on_batch(image))
