import keras
import numpy as np
import pytest

from stripwatch.training.networks.backbone import build_backbone
from stripwatch.training.networks.catalog import NETWORKS, find_network
from stripwatch.training.novelty.taps import choose_taps, with_pooled_taps
from stripwatch.worker.common.errors import InputError

pytestmark = pytest.mark.training


def backbone(network: str, cut: str = "", side: int = 96) -> keras.Model:
    return build_backbone(find_network(network), (side, side, 3), 1.0, "none", cut)


@pytest.mark.parametrize(
    ("network", "cut", "taps"),
    [
        ("mobilenet", "", ("conv_pw_5_relu", "conv_pw_9_relu")),
        ("mobilenet", "conv_pad_12", ("conv_pw_5_relu", "conv_pw_9_relu")),
        ("mobilenet", "conv_pw_6", ("conv_pw_5_relu", "conv_pw_6")),
        ("mobilenet", "conv_pw_5_relu", ("conv_pw_3_relu", "conv_pw_5_relu")),  # cut before 1/16
        ("mobilenet", "conv_dw_1_relu", ("conv1_relu",)),  # a depthwise convolution combines no channels
        ("vgg19", "block4_pool", ("block3_conv4", "block4_conv4")),
        ("efficientnetlite0", "block10_add", ("block4_add", "block7_add")),
    ],
)
def test_taps_are_the_last_block_at_an_eighth_and_the_middle_one_at_a_sixteenth(
    network: str, cut: str, taps: tuple[str, ...]
) -> None:
    assert choose_taps(backbone(network, cut)).names == taps


@pytest.mark.parametrize("size", [(32, 32), (64, 160), (224, 224)])
def test_taps_do_not_depend_on_the_input_size(size: tuple[int, int]) -> None:
    network = build_backbone(find_network("mobilenet"), (*size, 3), 0.25, "none")
    assert choose_taps(network).names == ("conv_pw_5_relu", "conv_pw_9_relu")


def test_a_network_without_padding_has_the_same_taps_on_a_small_input() -> None:
    assert choose_taps(backbone("inceptionv3", "mixed8", side=75)).names == ("mixed2", "mixed5")


def bypasses(network: keras.Model, avoided: keras.layers.Layer) -> bool:
    """Return whether a path from the input to the output does not pass through a layer."""
    paths, seen = [network.outputs[0]._keras_history.operation], set()
    while paths:
        layer = paths.pop()
        if isinstance(layer, keras.layers.InputLayer):
            return True
        if layer is not avoided and layer.name not in seen:
            seen.add(layer.name)
            paths += [node.operation for node in layer._inbound_nodes[0].parent_nodes]
    return False


def test_a_branch_bypasses_only_the_other_branches() -> None:
    network = backbone("mobilenetv3large")
    assert bypasses(network, network.get_layer("expanded_conv_2_depthwise"))
    assert not bypasses(network, network.get_layer("expanded_conv_2_add"))


@pytest.mark.long
@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_has_taps_that_all_paths_pass_through(name: str) -> None:
    network = backbone(name)
    taps = choose_taps(network)
    assert len(taps.names) == 2
    for tap, at, channels in zip(taps.names, taps.positions, taps.channels, strict=True):
        layer = network.layers[at]
        assert (layer.name, layer.output.shape[-1]) == (tap, channels)
        assert not bypasses(network, layer)


def test_positions_are_those_of_another_build_with_other_layer_names() -> None:
    first, second = (choose_taps(backbone("xception")) for _ in range(2))
    assert first.positions == second.positions


def test_pooled_taps_are_the_mean_of_the_fine_map_and_mean_and_deviation_of_the_coarse_one() -> None:
    network = backbone("mobilenet", "conv_pw_7_relu", side=32)
    frames = keras.Input((32, 32, 3))
    model = keras.Model(frames, keras.layers.GlobalMaxPooling2D()(network(frames)))
    taps = choose_taps(network)
    pixels = np.random.default_rng(0).normal(size=(3, 32, 32, 3)).astype(np.float32)
    found, pooled = with_pooled_taps(model, taps).predict(pixels, verbose=0)
    np.testing.assert_array_equal(found, model.predict(pixels, verbose=0))
    assert pooled.shape == (3, taps.features)
    maps = keras.Model(network.inputs, [network.get_layer(name).output for name in taps.names])
    fine, coarse = maps.predict(pixels, verbose=0)
    columns = taps.split(pooled)
    np.testing.assert_allclose(columns[0], fine.mean(axis=(1, 2)), rtol=1e-3, atol=1e-6)
    expected = np.concatenate([coarse.mean(axis=(1, 2)), coarse.std(axis=(1, 2))], axis=1)
    np.testing.assert_allclose(columns[1], expected, rtol=1e-2, atol=1e-5)


def test_a_single_tap_has_mean_and_deviation() -> None:
    taps = choose_taps(backbone("mobilenet", "conv1_relu", side=32))
    assert (taps.statistics, taps.features) == (("mean+deviation",), 64)


def test_with_pooled_taps_names_a_layer_that_is_missing() -> None:
    deep, shallow = backbone("mobilenet", side=32), backbone("mobilenet", "conv_pw_7_relu", side=32)
    frames = keras.Input((32, 32, 3))
    with pytest.raises(InputError, match="reads layer 'conv_pw_9_relu', which the backbone lacks"):
        with_pooled_taps(keras.Model(frames, shallow(frames)), choose_taps(deep))
