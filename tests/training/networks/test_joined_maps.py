"""Joined maps: the means of earlier maps, cells that stay in place, and a backbone that can be restored."""

import keras
import numpy as np
import pytest

from stripwatch.training.networks.backbone import build_backbone
from stripwatch.training.networks.catalog import find_network
from stripwatch.training.networks.joined_maps import join_maps, map_widths, without_joined
from stripwatch.training.networks.receptive_field import cell_grid
from stripwatch.training.novelty.taps import choose_taps

pytestmark = pytest.mark.training


def mobilenet(side_px: int = 64) -> keras.Model:
    return build_backbone(find_network("mobilenet"), (side_px, side_px, 3), 0.25, "none")


def test_the_mean_of_a_joined_map_is_that_of_each_map() -> None:
    backbone = mobilenet()
    names = choose_taps(backbone).names
    joined = join_maps(backbone, names)
    maps = keras.Model(backbone.inputs, [backbone.output, *(backbone.get_layer(name).output for name in names)])
    images = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)
    expected = np.concatenate([each.mean(axis=(1, 2)) for each in maps.predict(images, verbose=0)], axis=1)
    np.testing.assert_allclose(joined.predict(images, verbose=0).mean(axis=(1, 2)), expected, atol=1e-5)
    assert map_widths(joined) == (256, 64, 128)
    assert joined.name == backbone.name


def test_the_cells_of_a_joined_map_are_those_of_the_last_map() -> None:
    backbone = mobilenet()
    joined = join_maps(backbone, choose_taps(backbone).names)
    assert joined.output_shape[1:3] == backbone.output_shape[1:3]
    assert cell_grid(joined) == cell_grid(backbone)


def test_maps_of_other_sizes_lose_their_outermost_cells() -> None:
    image = keras.Input((9, 9, 1))
    earlier = keras.layers.Activation("linear", name="earlier")(image)
    last = keras.layers.MaxPooling2D(2, name="last")(earlier)  # 4x4
    joined = join_maps(keras.Model(image, last, name="small"), ["earlier"])
    pixels = np.arange(81, dtype=np.float32).reshape(1, 9, 9, 1)
    found = joined.predict(pixels, verbose=0)
    assert found.shape == (1, 4, 4, 2)
    np.testing.assert_allclose(found[0, 0, 0, 1], pixels[0, :2, :2].mean())
    small = keras.Model(image, keras.layers.MaxPooling2D(3, 2, name="last")(earlier)[:, :3, :3], name="small")
    assert join_maps(small, ["earlier"]).output_shape == (None, 3, 3, 2)


def test_a_backbone_without_earlier_maps_stays_as_it_is() -> None:
    backbone = mobilenet(32)
    assert join_maps(backbone, [backbone.layers[-1].name]) is backbone
    assert without_joined(backbone) is backbone
    assert map_widths(backbone) == (256,)


def test_the_taps_of_a_backbone_with_joined_maps_are_the_same() -> None:
    backbone = mobilenet()
    taps = choose_taps(backbone)
    joined = join_maps(backbone, taps.names)
    assert choose_taps(joined) == taps
    assert without_joined(joined).output is backbone.output
