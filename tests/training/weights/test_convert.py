from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray
from safetensors.numpy import save_file

from stripwatch.training.networks.backbone import build_backbone
from stripwatch.training.networks.catalog import find_network
from stripwatch.training.weights.checkpoint_file import read_checkpoint
from stripwatch.training.weights.convert import ConversionSettings, convert
from stripwatch.training.weights.recipes import PixelScale
from stripwatch.training.weights.score_check import ReferenceScores, read_scores
from stripwatch.worker.common.errors import InputError, SettingsError
from tests.lively import enliven
from tests.training.weights.checkpoints import stored, timm_lite0, tpu_lite0, write_zip

pytestmark = pytest.mark.training

LITE0 = find_network("efficientnetlite0")
PIXELS = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
KERNEL = np.random.default_rng(2).normal(size=(1280, 5)).astype(np.float32)
BIAS = np.arange(5, dtype=np.float32)


def built(weights: str = "none", side_px: int = 64) -> keras.Model:
    return build_backbone(LITE0, (side_px, side_px, 3), 1.0, weights)


def features(network: keras.Model) -> NDArray[np.float32]:
    found = network.predict(LITE0.preprocess(PIXELS.astype(np.float32)), verbose=0).mean(axis=(1, 2))
    return np.asarray(found, np.float32)


@pytest.fixture(scope="module")
def original() -> keras.Model:
    network, random = built(), np.random.default_rng(3)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):  # a fresh one hides exchanged weights
            layer.gamma.assign(random.uniform(0.7, 1.3, layer.gamma.shape))
            layer.beta.assign(random.uniform(-0.3, 0.3, layer.beta.shape))
    enliven(network, LITE0.preprocess(PIXELS.astype(np.float32)))
    return network


@pytest.fixture(scope="module")
def reference(original: keras.Model) -> ReferenceScores:
    return ReferenceScores(PIXELS, features(original) @ KERNEL + BIAS)


def with_classifier(weights: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
    return {**weights, "classifier.weight": np.ascontiguousarray(KERNEL.T), "classifier.bias": BIAS}


def saved(path: Path, weights: dict[str, NDArray[np.float32]]) -> Path:
    save_file({name: np.ascontiguousarray(value) for name, value in weights.items()}, path)
    return path


def write_tensorflow(folder: Path, original: keras.Model) -> Path:
    """Write a checkpoint whose averages are the weights, beside other numbers that must not be taken."""
    averages = {f"{name}/ExponentialMovingAverage": value for name, value in tpu_lite0(original).items()}
    last = {name: value * 3 for name, value in tpu_lite0(original).items()}
    top = {"efficientnet-lite0/head/dense/kernel": KERNEL, "efficientnet-lite0/head/dense/bias": BIAS}
    tensors = {**averages, **last, **top, "global_step": np.int64(7)}
    tf.raw_ops.SaveV2(
        prefix=str(folder / "model.ckpt"),
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=[tf.constant(value) for value in tensors.values()],
    )
    return folder


def test_a_converted_pytorch_file_computes_the_same(
    original: keras.Model, reference: ReferenceScores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors = stored({f"module.{name}": value for name, value in with_classifier(timm_lite0(original)).items()})
    file = write_zip(tmp_path / "lite0.pth", {"state_dict": tensors}, tensors, monkeypatch)
    out = tmp_path / "lite0.weights.h5"
    result = convert(ConversionSettings(file, "efficientnetlite0", out, scores=reference))
    assert result.check is not None
    assert (result.check.images, result.check.classes, result.check.same_class) == (2, 5, 2)
    assert result.weights == 3_413_024
    np.testing.assert_allclose(features(built(str(out))), features(original), rtol=1e-4, atol=1e-5)


def test_a_converted_tensorflow_checkpoint_has_its_averaged_weights(
    original: keras.Model, reference: ReferenceScores, tmp_path: Path
) -> None:
    out = tmp_path / "lite0.weights.h5"
    result = convert(
        ConversionSettings(write_tensorflow(tmp_path, original), "efficientnetlite0", out, scores=reference)
    )
    assert result.framework == "tensorflow"
    np.testing.assert_allclose(features(built(str(out))), features(original), rtol=1e-4, atol=1e-5)


def test_writes_nothing_if_the_scores_differ(original: keras.Model, reference: ReferenceScores, tmp_path: Path) -> None:
    weights = with_classifier(timm_lite0(original))
    one, other = "blocks.3.1.bn1.bias", "blocks.3.2.bn1.bias"  # of the same shape
    weights[one], weights[other] = weights[other], weights[one]
    out = tmp_path / "lite0.weights.h5"
    settings = ConversionSettings(
        saved(tmp_path / "a.safetensors", weights), "efficientnetlite0", out, scores=reference
    )
    with pytest.raises(InputError, match="gives other scores"):
        convert(settings)
    assert not list(tmp_path.glob("*.h5"))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda found: found.pop("blocks.5.3.conv_dw.weight"), "it has no layer for|has weights of shape"),
        (lambda found: found.pop("bn2.running_var"), "bn2 has no variance"),
        (
            lambda found: found.update({"blocks.7.0.conv_pw.weight": np.ones((8, 8, 1, 1), np.float32)}),
            "blocks.7.0.conv_pw has weights",
        ),
        (lambda found: found.update({"conv_stem.bias": np.ones(32, np.float32)}), "conv_stem has a bias"),
        (lambda found: found["conv_stem.weight"].fill(np.nan), "conv_stem has weights that are not finite"),
        (lambda found: found.clear(), "names of the tensors"),
    ],
)
def test_refuses_a_checkpoint_of_another_network(
    change: Callable[[dict[str, NDArray[np.float32]]], object], text: str, original: keras.Model, tmp_path: Path
) -> None:
    weights = {name: np.array(value) for name, value in timm_lite0(original).items()}
    change(weights)
    file = saved(tmp_path / "a.safetensors", weights or {"features.0.weight": np.ones((2, 2), np.float32)})
    with pytest.raises(InputError, match=text):
        convert(ConversionSettings(file, "efficientnetlite0", tmp_path / "a.weights.h5"))


def test_adapts_the_weights_to_another_scaling_of_the_pixels(original: keras.Model, tmp_path: Path) -> None:
    """Constant frames show it: there the zeros outside the frame, which another scaling moves, are far away."""
    file = saved(tmp_path / "a.safetensors", timm_lite0(original))
    settings = ConversionSettings(file, "efficientnetlite0", tmp_path / "a.weights.h5")
    scale = PixelScale((0.4, 0.5, 0.6), (0.2, 0.3, 0.4))
    convert(replace(settings, pixels=scale))
    adapted = built(str(settings.out))
    raw = np.broadcast_to(np.array([200, 100, 50], np.float32), (1, 64, 64, 3))
    ends = [keras.Model(each.inputs, each.get_layer("stem_relu").output) for each in (original, adapted)]
    scaled = (raw / 255 - np.array(scale.mean)) / np.array(scale.deviation)
    expected, found = ends[0].predict(scaled, verbose=0), ends[1].predict(LITE0.preprocess(raw), verbose=0)
    np.testing.assert_allclose(found[0, 16, 16], expected[0, 16, 16], rtol=1e-3, atol=1e-4)


def test_refuses_a_folder_without_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="contains no TensorFlow checkpoint"):
        read_checkpoint(tmp_path)


def test_names_the_networks_that_can_be_converted(original: keras.Model, tmp_path: Path) -> None:
    file = saved(tmp_path / "a.safetensors", timm_lite0(original))
    with pytest.raises(SettingsError, match=r"xception: a pytorch checkpoint.*efficientnetlite0 \(timm"):
        convert(ConversionSettings(file, "xception", tmp_path / "a.weights.h5"))


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"scores": np.ones((2, 5))}, "needs the arrays pixels and scores"),
        ({"pixels": PIXELS / 255, "scores": np.ones((2, 5))}, "not uint8"),
        ({"pixels": PIXELS, "scores": np.ones((3, 5))}, r"not \(2, classes\)"),
        ({"pixels": PIXELS, "scores": np.ones((2, 5))}, "constant"),
    ],
)
def test_refuses_unusable_reference_scores(arrays: dict[str, NDArray[np.float64]], text: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "scores.npz", allow_pickle=False, **arrays)
    with pytest.raises(InputError, match=text):
        read_scores(tmp_path / "scores.npz")


def test_refuses_a_damaged_file_of_scores(tmp_path: Path) -> None:
    whole, damaged, single = (tmp_path / name for name in ("whole.npz", "damaged.npz", "single.npy"))
    np.savez(whole, pixels=PIXELS, scores=np.ones((2, 5)))
    damaged.write_bytes(whole.read_bytes()[:100])
    np.save(single, PIXELS)
    for path in (damaged, single):
        with pytest.raises(InputError, match=f"{path.name} cannot be read as an .npz file"):
            read_scores(path)


@pytest.mark.long
def test_the_shared_weights_survive_a_conversion(shared: Path, tmp_path: Path) -> None:
    published = built(str(shared / "weights" / "efficientnet_lite0_notop.weights.h5"), 224)
    out = tmp_path / "lite0.weights.h5"
    file = saved(tmp_path / "lite0.safetensors", timm_lite0(published))
    convert(ConversionSettings(file, "efficientnetlite0", out))
    image = cv2.imread(str(shared / "data" / "neu-det" / "images" / "crazing_1.jpg"), cv2.IMREAD_COLOR_RGB)
    assert image is not None
    frame = cv2.resize(image, (224, 224), interpolation=cv2.INTER_LINEAR)
    head = built(str(out), 224).predict(LITE0.preprocess(frame[None].astype(np.float32)), verbose=0)
    assert head.mean() == pytest.approx(0.0936, abs=5e-5)
