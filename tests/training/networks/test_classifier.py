import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.training.networks.backbone import build_backbone
from stripwatch.training.networks.catalog import find_network
from stripwatch.training.networks.classifier import FeatureScale, build_classifier
from stripwatch.training.networks.heads import OutputSpec

pytestmark = pytest.mark.training


@given(st.integers(0, 10_000), st.floats(0.01, 100), st.floats(-10, 10))
def test_folded_weights_on_raw_features_match_the_head_on_scaled_ones(seed: int, spread: float, middle: float) -> None:
    rng = np.random.default_rng(seed)
    features = (rng.normal(middle, spread, (20, 5))).astype(np.float32)
    kernel, bias = rng.normal(size=(5, 3)).astype(np.float32), rng.normal(size=3).astype(np.float32)
    scale = FeatureScale.of(features)
    folded_kernel, folded_bias = scale.fold(kernel, bias)
    expected = scale.apply(features) @ kernel + bias
    np.testing.assert_allclose(features @ folded_kernel + folded_bias, expected, atol=1e-3 * (1 + abs(middle) / spread))


def test_scaled_features_have_mean_0_and_deviation_1() -> None:
    features = np.random.default_rng(0).normal([5, -3, 0], [2, 0.1, 7], (500, 3)).astype(np.float32)
    scaled = FeatureScale.of(features).apply(features)
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-4)
    assert np.mean(scaled.var(axis=0)) == pytest.approx(1, rel=1e-3)


def test_constant_features_do_not_become_nan() -> None:
    features = np.full((4, 3), 0.25, np.float32)
    np.testing.assert_array_equal(FeatureScale.of(features).apply(features), 0)


def test_a_classifier_maps_raw_frames_to_a_distribution() -> None:
    backbone = build_backbone(find_network("mobilenet"), (64, 32, 3), 0.25, "none")
    classifier = build_classifier(find_network("mobilenet"), backbone, OutputSpec(4), 0.2, frozen=True)
    assert classifier.whole.inputs[0].dtype == "uint8"
    assert classifier.whole.input_shape == (None, 64, 32, 3)
    scores = classifier.whole.predict(np.zeros((2, 64, 32, 3), np.uint8), verbose=0)
    np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=1e-5)
    assert len(classifier.whole.trainable_weights) == 2


def test_a_grey_frame_equals_three_identical_channels() -> None:
    """Use VGG19, whose preprocessing treats the channels differently."""
    network = find_network("vgg19")
    backbone = build_backbone(network, (32, 32, 3), 1.0, "none", "block1_pool")
    rgb, grey = (
        build_classifier(network, backbone, OutputSpec(3), 0.0, frozen=True, channels=channels).features
        for channels in (3, 1)
    )
    frames = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1)).astype(np.uint8)
    assert grey.input_shape == (None, 32, 32, 1)
    np.testing.assert_allclose(
        grey.predict(frames, verbose=0), rgb.predict(frames.repeat(3, axis=-1), verbose=0), rtol=1e-5
    )


def test_batch_norm_has_a_lower_momentum_if_all_layers_are_fitted() -> None:
    backbone = build_backbone(find_network("mobilenet"), (32, 32, 3), 0.25, "none")
    build_classifier(find_network("mobilenet"), backbone, OutputSpec(2), 0.2, frozen=False)
    norms = [layer for layer in backbone.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert {norm.momentum for norm in norms} == {0.9}
