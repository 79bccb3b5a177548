import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from stripwatch.export.convert.graph.keras_to_onnx import to_onnx
from stripwatch.export.runs.frames import read_pixels
from stripwatch.export.runs.keras_model import find_backbone, load_model
from stripwatch.export.runs.novelty import MEAN, MEAN_AND_DEVIATION, NoveltyDetector, novelty_tensor, pool
from stripwatch.export.runs.relative_distance import Array
from stripwatch.export.runs.run_folder import read_run
from stripwatch.export.runs.tapped_model import with_taps
from stripwatch.worker.common.errors import InputError
from tests.distances import relative_distance

pytestmark = pytest.mark.training

TAPS = ("conv_pw_5_relu", "conv_pw_11_relu")
Floats = NDArray[np.float32]


def random_floats(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def detector(channels: tuple[int, int] = (6, 8), statistics: tuple[str, ...] = (MEAN, MEAN)) -> NoveltyDetector:
    widths = [count * (1 + (how == MEAN_AND_DEVIATION)) for count, how in zip(channels, statistics, strict=True)]
    return NoveltyDetector(TAPS, statistics, relative_distance(sum(widths), 3))


def pool_all(novelty: NoveltyDetector, maps: Sequence[Array]) -> list[Array]:
    return [pool(each, how, np) for each, how in zip(maps, novelty.statistics, strict=True)]


@pytest.mark.parametrize("weight", [0.0, 0.9])
def test_the_score_compares_the_nearest_class_with_all_frames(weight: float) -> None:
    distance, frames = relative_distance(5, 3, weight=weight), random_floats(9, 5, seed=9)
    white = (frames - distance.centre) @ distance.whitening
    near = (white[:, :4] ** 2).sum(axis=1)[:, None] + (frames - distance.centre) @ distance.linear + distance.constant
    nearest = 1 + near.min(axis=1)
    expected = np.maximum(nearest / (1 + (white[:, 4:] ** 2).sum(axis=1)) ** weight, nearest * distance.far)
    np.testing.assert_allclose(distance.score([frames[:, :2], frames[:, 2:]], np), expected, rtol=1e-4)


def test_the_score_is_positive_and_finite_for_any_frame() -> None:
    distance = relative_distance(5, 3)
    far = distance.score([np.array([[0] * 5, [1e9] * 5, [-1e9] * 5], np.float32) + distance.centre], np)
    assert (far > 0).all()
    assert np.isfinite(far).all()


def test_pooling_puts_mean_and_deviation_of_the_places_side_by_side() -> None:
    maps = random_floats(9, 4, 5, 6) + 3
    places = maps.reshape(9, 20, 6)
    mean, deviation = places.mean(axis=1), places.std(axis=1)
    np.testing.assert_allclose(pool(maps, MEAN, np), mean, rtol=1e-5)
    found = pool(maps, MEAN_AND_DEVIATION, np)
    np.testing.assert_allclose(found, np.concatenate([mean, deviation], axis=1), rtol=1e-4)


def test_the_deviation_of_a_constant_map_is_nearly_0() -> None:
    found = pool(np.full((1, 7, 7, 3), 0.3, np.float32), MEAN_AND_DEVIATION, np)
    assert (found[:, 3:] >= 0).all()
    assert (found[:, 3:] < 1e-3).all()


def test_keras_and_numpy_agree() -> None:
    novelty = detector(statistics=(MEAN, MEAN_AND_DEVIATION))
    maps = [random_floats(9, 4, 5, 6), random_floats(9, 2, 2, 8)]
    inputs = [keras.Input(each.shape[1:]) for each in maps]
    model = keras.Model(inputs, novelty_tensor(novelty, inputs))
    assert model.output_shape == (None,)
    np.testing.assert_allclose(model.predict(maps, verbose=0), novelty.score(pool_all(novelty, maps)), rtol=1e-4)


def test_tf2onnx_converts_the_score_with_a_dynamic_batch(fitted_run: Path) -> None:
    run = read_run(fitted_run)
    pixels = read_pixels(Path(run.data), run.split.validation, run.decode)
    view = with_taps(load_model(fitted_run), TAPS)
    scores, *maps = view.outputs
    novelty = detector(channels=tuple(each.shape[-1] for each in maps))
    proto = to_onnx(keras.Model(view.inputs, [scores, novelty_tensor(novelty, maps)]))
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = novelty.score(pool_all(novelty, view.predict(pixels, verbose=0)[1:]))
    for batch in (1, len(pixels)):
        result = session.run(None, {"frames": pixels[:batch]})[1]
        np.testing.assert_allclose(result, expected[:batch], rtol=1e-3)


def test_taps_leave_the_scores_unchanged(fitted_run: Path) -> None:
    model, frames = load_model(fitted_run), np.random.default_rng(0).integers(0, 256, (3, 64, 64, 1), np.uint8)
    view = with_taps(model, TAPS)
    assert [each.shape[-1] for each in view.outputs] == [3, 64, 128]
    np.testing.assert_array_equal(view.predict(frames, verbose=0)[0], model.predict(frames, verbose=0))


def test_names_of_operations_do_not_collide_in_a_new_process(fitted_run: Path) -> None:
    keras.backend.clear_session()  # numbers the names of operations from the beginning, as a new process does
    model = load_model(fitted_run)
    names = {operation.name for operation in model.operations}
    assert "cast" in names
    view = with_taps(model, TAPS)
    scores, *maps = view.outputs
    novelty = detector(channels=tuple(each.shape[-1] for each in maps))
    found = keras.Model(view.inputs, [scores, novelty_tensor(novelty, maps)])
    assert found.output_shape == [(None, 3), (None,)]
    assert find_backbone(found).name == find_backbone(model).name


def test_rejects_a_tap_that_the_backbone_lacks(fitted_run: Path) -> None:
    with pytest.raises(InputError, match="reads layer 'mixed8', which the backbone lacks"):
        with_taps(load_model(fitted_run), ["mixed8"])


def test_reads_what_it_wrote(tmp_path: Path) -> None:
    novelty, path = detector(statistics=(MEAN, MEAN_AND_DEVIATION)), tmp_path / "novelty.npz"
    novelty.write(path)
    found = NoveltyDetector.read(path)
    assert (found.taps, found.statistics) == (TAPS, (MEAN, MEAN_AND_DEVIATION))
    pooled = [random_floats(9, 6), random_floats(9, 16)]
    np.testing.assert_array_equal(found.score(pooled), novelty.score(pooled))


def test_the_same_detector_gives_the_same_file(tmp_path: Path) -> None:
    for name in "ab":
        detector().write(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\3\4 damaged"])
def test_rejects_a_file_that_is_no_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "novelty.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"cannot read .*novelty\.npz: it is not an \.npz file"):
        NoveltyDetector.read(tmp_path / "novelty.npz")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"centre": None}, "it lacks centre"),
        ({"schema": "other/9"}, "its schema is 'other/9'"),
        ({"statistics": ["mean", "mode"]}, "statistics are mean, mode, but must be one of mean"),
        ({"statistics": ["mean"]}, "statistics are mean, but .* for each tap"),
        ({"statistics": np.array([], np.str_)}, r"statistics are \(none\), but"),
        ({"taps": np.array([], np.str_)}, "it names no taps"),
        ({"constant": np.array([1, 2, np.nan], np.float32)}, "not finite"),
        ({"centre": np.zeros(14)}, "not float32"),
        ({"centre": np.zeros(13, np.float32)}, "do not match"),
        ({"linear": np.zeros((14, 2), np.float32)}, "do not match"),
        ({"weight": np.zeros(2, np.float32)}, "weight and far must each be one number"),
    ],
)
def test_rejects_a_malformed_file(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = tmp_path / "novelty.npz"
    detector().write(path)
    with np.load(path) as file:
        arrays = {name: value for name, value in {**file, **changes}.items() if value is not None}
    data = io.BytesIO()
    np.savez(data, **arrays)
    path.write_bytes(data.getvalue())
    with pytest.raises(InputError, match=f"novelty.npz is malformed: .*{message}"):
        NoveltyDetector.read(path)


def test_rejects_an_archive_of_pickled_objects(tmp_path: Path) -> None:
    np.savez(tmp_path / "novelty.npz", taps=np.array([{}], object))
    with pytest.raises(InputError, match="novelty"):
        NoveltyDetector.read(tmp_path / "novelty.npz")


def test_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"novelty\.npz"):
        NoveltyDetector.read(tmp_path / "novelty.npz")
