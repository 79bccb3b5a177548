import math
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from keras.src.applications import efficientnet, mobilenet
from numpy.typing import NDArray

from stripwatch.training.networks.backbone import build_backbone
from stripwatch.training.networks.catalog import NETWORKS, find_network
from stripwatch.training.networks.efficientnet_lite import build_efficientnet_lite0
from stripwatch.worker.common.errors import InputError, SettingsError
from tests.lively import enliven

pytestmark = pytest.mark.training

FRAMES = np.random.default_rng(3).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)


def assert_same_maps(found: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    """Compare outputs up to rounding, which depends on the layers that TensorFlow fuses and on the processor."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * np.abs(expected).max())


def build(name: str, shape: tuple[int, int, int] = (64, 64, 3), weights: str = "none", cut: str = "") -> keras.Model:
    return build_backbone(find_network(name), shape, 1.0, weights, cut)


@pytest.mark.long
@pytest.mark.parametrize("name", NETWORKS)
def test_builds_a_network_at_the_size_of_a_strip(name: str) -> None:
    height, width = build(name, (128, 800, 3)).output_shape[1:3]
    assert (height, width) in {(4, 25), (2, 23)}  # 1/32 of the side; InceptionV3 does not pad


def test_a_cut_ends_after_or_before_a_layer() -> None:
    whole = build("mobilenet")
    after = keras.Model(whole.inputs, whole.get_layer("conv_pw_3_relu").output)
    for cut in ("conv_pw_3_relu", "before:conv_pad_4"):
        backbone = build("mobilenet", cut=cut)
        assert backbone.output_shape == (None, 16, 16, 128)
        backbone.set_weights(after.get_weights())
        assert_same_maps(backbone.predict(FRAMES, verbose=0), after.predict(FRAMES, verbose=0))


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        ("conv_pw_3_rel", "mobilenet has no layer 'conv_pw_3_rel'; similar names are conv_pw_3_relu"),
        ("before:nowhere", "mobilenet has no layer 'nowhere'$"),
    ],
)
def test_rejects_a_cut_at_an_unknown_layer(cut: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build("mobilenet", cut=cut)


def test_rejects_a_cut_before_a_sum() -> None:
    with pytest.raises(SettingsError, match="conv2_block1_out has 2 inputs"):
        build("resnet50v2", cut="before:conv2_block1_out")


def test_rejects_a_width_for_networks_without_one() -> None:
    with pytest.raises(
        SettingsError, match="vgg19 has only one width; only mobilenet and mobilenetv3large have several"
    ):
        build_backbone(find_network("vgg19"), (32, 32, 3), 0.5, "none")


@pytest.mark.parametrize("saved_cut", ["", "conv_pw_6_relu"])
def test_accepts_weights_of_the_whole_or_the_cut_network(saved_cut: str, tmp_path: Path) -> None:
    saved = build("mobilenet", cut=saved_cut)
    saved.save_weights(tmp_path / "saved.weights.h5")
    loaded = build("mobilenet", weights=str(tmp_path / "saved.weights.h5"), cut="conv_pw_6_relu")
    inner = keras.Model(saved.inputs, saved.get_layer("conv_pw_6_relu").output)
    assert_same_maps(loaded.predict(FRAMES, verbose=0), inner.predict(FRAMES, verbose=0))


def test_rejects_weights_of_a_cut_network_for_the_whole_one(tmp_path: Path) -> None:
    build("mobilenet", cut="conv_pw_6_relu").save_weights(tmp_path / "cut.weights.h5")
    with pytest.raises(InputError, match=r"cut\.weights\.h5 does not fit mobilenet"):
        build("mobilenet", weights=str(tmp_path / "cut.weights.h5"))


def test_rejects_a_file_without_weights(tmp_path: Path) -> None:
    path = tmp_path / "notes.h5"
    path.write_text("no weights")
    with pytest.raises(InputError, match=r"notes\.h5 does not fit mobilenet"):
        build("mobilenet", weights=str(path))


def test_a_failed_download_suggests_a_weights_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise Exception("URL fetch failure on https://example.org")  # as raised by keras.utils.get_file

    monkeypatch.setattr(mobilenet.file_utils, "get_file", fail)
    with pytest.raises(InputError, match=r"download failed .* pass a weights file instead"):
        build("mobilenet", (224, 224, 3), weights="imagenet")


@pytest.mark.parametrize("name", ["efficientnetb0", "efficientnetv2b0", "mobilenetv3large"])
def test_networks_with_rescaling_layers_have_them_without_weights(name: str) -> None:
    backbone = build(name)
    first = next(layer for layer in backbone.layers if layer.weights and "conv" in layer.name)
    entering = backbone.get_layer("stem_conv_pad" if name == "efficientnetb0" else first.name).input
    found = keras.Model(backbone.inputs, entering).predict(FRAMES, verbose=0)
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = FRAMES / 127.5 - 1 if name == "mobilenetv3large" else (FRAMES / 255 - mean) / deviation
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.long
def test_efficientnet_from_a_file_equals_the_imagenet_network_of_keras(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "saved.weights.h5"
    saved = build("efficientnetb0")
    enliven(saved, FRAMES)
    saved.save_weights(path)
    monkeypatch.setattr(efficientnet.file_utils, "get_file", lambda *_, **__: str(path))
    as_keras_does = keras.applications.EfficientNetB0(weights="imagenet", include_top=False, input_shape=(64, 64, 3))
    expected = as_keras_does.predict(FRAMES, verbose=0)
    assert expected.std() > 0.1
    for weights in ("imagenet", str(path)):
        found = build("efficientnetb0", weights=weights).predict(FRAMES, verbose=0)
        assert_same_maps(found, expected)


@pytest.mark.long
@pytest.mark.parametrize(
    ("file", "name", "side_px", "cut", "channels"),
    [
        ("xception_to_block13.weights.h5", "xception", 96, "before:block14_sepconv1", 1024),
        ("inceptionv3_to_mixed8.weights.h5", "inceptionv3", 96, "mixed8", 1280),
        ("inceptionv3_to_mixed8.weights.h5", "inceptionv3", 96, "mixed7", 768),
        ("vgg19_to_block3.weights.h5", "vgg19", 64, "block3_pool", 256),
        ("mobilenet_1.0_to_conv_dw_13.weights.h5", "mobilenet", 64, "conv_dw_13_relu", 1024),
        ("efficientnet_lite0_notop.weights.h5", "efficientnetlite0", 64, "", 1280),
        ("efficientnet_lite0_notop.weights.h5", "efficientnetlite0", 64, "block10_add", 112),
    ],
)
def test_loads_the_shared_weights(shared: Path, file: str, name: str, side_px: int, cut: str, channels: int) -> None:
    backbone = build(name, (side_px, side_px, 3), str(shared / "weights" / file), cut)
    assert backbone.output_shape[-1] == channels
    network = find_network(name)
    frames = np.random.default_rng(0).integers(0, 256, (1, side_px, side_px, 3)).astype(np.float32)
    found = backbone.predict(network.preprocess(frames), verbose=0)
    assert math.isfinite(found.sum())
    assert found.std() > 0.01


@pytest.mark.long
def test_accepts_a_weights_file_with_layers_after_the_cut(shared: Path) -> None:
    file = str(shared / "weights" / "inceptionv3_to_mixed8.weights.h5")
    deeper, cut = (build("inceptionv3", (96, 96, 3), file, end) for end in ("mixed8", "mixed7"))
    inner = keras.Model(deeper.inputs, deeper.get_layer("mixed7").output)
    frames = np.random.default_rng(0).uniform(-1, 1, (1, 96, 96, 3)).astype(np.float32)
    assert_same_maps(cut.predict(frames, verbose=0), inner.predict(frames, verbose=0))


@pytest.mark.parametrize(("include_top", "weights"), [(True, None), (False, "imagenet")])
def test_efficientnet_lite0_has_neither_a_top_nor_weights_for_download(include_top: bool, weights: str | None) -> None:
    with pytest.raises(ValueError, match="EfficientNet-Lite0"):
        build_efficientnet_lite0(weights, include_top, (64, 64, 3))


@pytest.mark.long
def test_efficientnet_lite0_computes_the_published_features(shared: Path) -> None:
    path = str(shared / "weights" / "efficientnet_lite0_notop.weights.h5")
    backbone = build("efficientnetlite0", (224, 224, 3), path)
    assert backbone.count_params() == 3_413_024
    image = cv2.imread(str(shared / "data" / "neu-det" / "images" / "crazing_1.jpg"))
    assert image is not None
    frame = cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), (224, 224), interpolation=cv2.INTER_LINEAR)
    pixels = find_network("efficientnetlite0").preprocess(frame[None].astype(np.float32))
    head = backbone.predict(pixels, verbose=0).mean(axis=(1, 2))[0]
    assert head.mean() == pytest.approx(0.0936, abs=5e-5)
    assert head[2] == pytest.approx(1.22542, abs=2e-5)
    cut = build("efficientnetlite0", (224, 224, 3), path, "block10_add")
    features = cut.predict(pixels, verbose=0).mean(axis=(1, 2))[0]
    np.testing.assert_allclose(features[:5], [-0.81497, 1.19034, -0.03947, 1.91265, -2.308], atol=2e-5)
