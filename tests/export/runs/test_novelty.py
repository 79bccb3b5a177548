import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

from stripwatch.export.convert.keras_to_onnx import to_onnx
from stripwatch.export.runs.frames import read_pixels
from stripwatch.export.runs.keras_model import find_backbone, load_model
from stripwatch.export.runs.novelty import MEAN, MEAN_AND_DEVIATION, NoveltyDetector, novelty_tensor, pool
from stripwatch.export.runs.novelty_components import Array, Gaussian, Neighbours, RelativeDistance, Uncertainty
from stripwatch.export.runs.run_folder import read_run
from stripwatch.export.runs.tapped_model import with_taps
from stripwatch.worker.common.errors import InputError

pytestmark = pytest.mark.training

TAPS = ("conv_pw_5_relu", "conv_pw_11_relu")
Floats = NDArray[np.float32]


def random_floats(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def unit_rows(rows: Floats) -> Floats:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def detector(taps: tuple[str, ...] = TAPS, channels: tuple[int, int] = (6, 8), **changes: Any) -> NoveltyDetector:
    first, second = channels
    components = (
        Neighbours(0, 5, random_floats(first, seed=1), unit_rows(random_floats(50, first, seed=2))),
        Gaussian(1, random_floats(second, 4, seed=3), random_floats(3, 4, seed=4)),
        Uncertainty(),
    )
    scale = {"offset": np.array([0.2, 1, 0.5], np.float32), "factor": np.array([3, 0.5, 2], np.float32)}
    return NoveltyDetector(taps, components, **{**scale, "statistics": (MEAN, MEAN), **changes})


def pool_all(novelty: NoveltyDetector, maps: Sequence[Array]) -> list[Array]:
    return [pool(each, how, np) for each, how in zip(maps, novelty.statistics, strict=True)]


def test_neighbours_measure_the_cosine_distance_to_the_kth_nearest() -> None:
    memory = unit_rows(random_floats(20, 3))
    frames = random_floats(7, 3, seed=1)
    cosine = unit_rows(frames - 1) @ memory.T
    found = Neighbours(0, 3, np.ones(3, np.float32), memory).distance([frames], None, np)
    np.testing.assert_allclose(found, 1 - np.sort(cosine, axis=1)[:, -3], rtol=1e-5)


def test_a_frame_equal_to_the_centre_has_a_finite_distance() -> None:
    near = Neighbours(0, 1, np.ones(3, np.float32), unit_rows(random_floats(4, 3)))
    assert near.distance([np.ones((1, 3), np.float32)], None, np) == pytest.approx(1)


def test_gaussian_measures_the_mahalanobis_distance_to_the_nearest_mean() -> None:
    covariance = np.array([[4, 1], [1, 2]], np.float32)
    whitening = np.linalg.cholesky(np.linalg.inv(covariance)).astype(np.float32)
    means, frames = random_floats(3, 2), random_floats(9, 2, seed=1)
    offsets = frames[:, None] - means
    expected = np.sqrt(np.einsum("nki,ij,nkj->nk", offsets, np.linalg.inv(covariance), offsets)).min(axis=1)
    found = Gaussian(0, whitening, means @ whitening).distance([frames], None, np)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def relative(features: int, classes: int, seed: int = 5) -> RelativeDistance:
    """A distance whose quadratic forms are positive, as those of a fit are."""
    whitening = random_floats(features, 8, seed=seed)
    centres = random_floats(classes, 4, seed=seed + 1)
    linear = -2 * whitening[:, :4] @ centres.T
    constant = (centres**2).sum(axis=1)
    return RelativeDistance(random_floats(features), whitening, linear, constant, np.array([0.9], np.float32))


def test_the_relative_distance_compares_the_nearest_class_with_all_frames() -> None:
    distance, frames = relative(5, 3), random_floats(9, 5, seed=9)
    white = (frames - distance.centre) @ distance.whitening
    near = (white[:, :4] ** 2).sum(axis=1)[:, None] + (frames - distance.centre) @ distance.linear + distance.constant
    expected = np.log1p(near.min(axis=1)) - 0.9 * np.log1p((white[:, 4:] ** 2).sum(axis=1))
    found = distance.distance([frames[:, :2], frames[:, 2:]], None, np)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_keras_and_numpy_agree_on_a_single_distance() -> None:
    unchanged = np.zeros(1, np.float32), np.ones(1, np.float32)
    novelty = NoveltyDetector(TAPS, (relative(22, 3),), *unchanged, (MEAN, MEAN_AND_DEVIATION))
    maps, scores = [random_floats(9, 4, 5, 6), random_floats(9, 2, 2, 8)], random_floats(9, 3)
    inputs = [keras.Input(each.shape[1:]) for each in (*maps, scores)]
    model = keras.Model(inputs, novelty_tensor(novelty, inputs[:2], inputs[2]))
    assert model.output_shape == (None,)
    found = model.predict([*maps, scores], verbose=0)
    np.testing.assert_allclose(found, novelty.score(pool_all(novelty, maps), scores), atol=1e-5)


@pytest.mark.parametrize("combination", ["max", "mean"])
def test_the_score_combines_standardised_distances(combination: str) -> None:
    novelty = detector(combination=combination)
    pooled, scores = [random_floats(9, 6), random_floats(9, 8)], np.full((9, 3), 1 / 3, np.float32)
    standard = (novelty.distances(pooled, scores) - novelty.offset) * novelty.factor
    expected = standard.max(axis=1) if combination == "max" else standard.mean(axis=1)
    np.testing.assert_allclose(novelty.score(pooled, scores), expected, rtol=1e-5)


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


@pytest.mark.parametrize("combination", ["max", "mean"])
def test_keras_and_numpy_agree(combination: str) -> None:
    novelty = detector(channels=(6, 16), combination=combination, statistics=(MEAN, MEAN_AND_DEVIATION))
    maps, scores = [random_floats(9, 4, 5, 6), random_floats(9, 2, 2, 8)], random_floats(9, 3)
    inputs = [keras.Input(each.shape[1:]) for each in (*maps, scores)]
    model = keras.Model(inputs, novelty_tensor(novelty, inputs[:2], inputs[2]))
    assert model.output_shape == (None,)
    expected = novelty.score(pool_all(novelty, maps), scores)
    np.testing.assert_allclose(model.predict([*maps, scores], verbose=0), expected, atol=1e-5)


def test_tf2onnx_converts_the_score_with_a_dynamic_batch(fitted_run: Path) -> None:
    run = read_run(fitted_run)
    pixels = read_pixels(Path(run.data), run.split.validation, run.decode)
    view = with_taps(load_model(fitted_run), TAPS)
    scores, *maps = view.outputs
    novelty = detector(channels=tuple(each.shape[-1] for each in maps))
    proto = to_onnx(keras.Model(view.inputs, [scores, novelty_tensor(novelty, maps, scores)]))
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    known, *found = view.predict(pixels, verbose=0)
    expected = novelty.score(pool_all(novelty, found), known)
    for batch in (1, len(pixels)):
        result = session.run(None, {"frames": pixels[:batch]})[1]
        np.testing.assert_allclose(result, expected[:batch], atol=1e-4)


def test_taps_leave_the_scores_unchanged(fitted_run: Path) -> None:
    model, frames = load_model(fitted_run), np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
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
    found = keras.Model(view.inputs, [scores, novelty_tensor(novelty, maps, scores)])
    assert found.output_shape == [(None, 3), (None,)]
    assert find_backbone(found).name == find_backbone(model).name


def test_rejects_a_tap_that_the_backbone_lacks(fitted_run: Path) -> None:
    with pytest.raises(InputError, match="reads layer 'mixed8', which the backbone lacks"):
        with_taps(load_model(fitted_run), ["mixed8"])


def test_reads_what_it_wrote(tmp_path: Path) -> None:
    novelty, path = detector(combination="mean", statistics=(MEAN, MEAN_AND_DEVIATION)), tmp_path / "novelty.npz"
    novelty.write(path)
    found = NoveltyDetector.read(path)
    assert (found.taps, found.combination, found.statistics) == (TAPS, "mean", (MEAN, MEAN_AND_DEVIATION))
    pooled, scores = [random_floats(9, 6), random_floats(9, 8)], random_floats(9, 3)
    np.testing.assert_array_equal(found.score(pooled, scores), novelty.score(pooled, scores))


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
        ({"factor": None}, "it lacks factor"),
        ({"component_0_memory": None}, "it lacks component_0_memory"),
        ({"schema": "other/9"}, "its schema is 'other/9'"),
        ({"kinds": ["neighbours", "psychic", "uncertainty"]}, "component 'psychic' is unknown"),
        ({"combination": "median"}, "combination is 'median'"),
        ({"statistics": ["mean", "mode"]}, "statistics are mean, mode, but must be one of mean"),
        ({"statistics": ["mean"]}, "statistics are mean, but .* for each tap"),
        ({"statistics": np.array([], np.str_)}, r"statistics are \(none\), but"),
        ({"taps": ["only"], "statistics": ["mean"]}, "a tap that the file does not name"),
        ({"offset": np.zeros(2, np.float32)}, "do not match"),
        ({"factor": np.array([1, 2, np.nan], np.float32)}, "not finite"),
        ({"component_0_memory": np.zeros((50, 6))}, "not float32"),
        ({"component_0_memory": np.zeros((50, 5), np.float32)}, "do not match"),
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
