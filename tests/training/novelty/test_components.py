import numpy as np
import pytest
from numpy.typing import NDArray

from stripwatch.training.novelty import components
from stripwatch.training.novelty.components import fit_distance, label_sets, weight_of

pytestmark = pytest.mark.training

Floats = NDArray[np.float32]


def clusters(frames: int, features: int, seed: int = 0) -> tuple[Floats, Floats]:
    """Features of two classes around different means, with a different variance for each feature, and targets."""
    rng = np.random.default_rng(seed)
    classes = np.arange(frames) % 2
    values = rng.normal(size=(frames, features)) * np.linspace(1, 9, features) + 5 * classes[:, None] + 30
    return values.astype(np.float32), np.eye(2, dtype=np.float32)[classes]


def test_the_distance_is_that_of_its_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components, "_SHRINKAGE", 0.0)
    features, targets = clusters(80, 6)
    frames = clusters(7, 6, seed=1)[0]
    found = fit_distance([features[:, :2], features[:, 2:]], targets, 0.9).score([frames[:, :2], frames[:, 2:]], np)
    # Without shrinkage and with all principal axes, standardisation and axes cancel out.
    known, new = features.astype(float), frames.astype(float)
    means = np.stack([known[at::2].mean(axis=0) for at in range(2)])
    residuals = known - means[targets.argmax(axis=1)]
    near = [mahalanobis(new - mean, residuals.T @ residuals / 80) for mean in means]
    far = mahalanobis(new - known.mean(axis=0), np.cov(known.T, bias=True))
    expected = (1 + np.min(near, axis=0) / 6) / (1 + far / 6) ** 0.9
    np.testing.assert_allclose(found, expected, atol=1e-4)


def mahalanobis(offsets: NDArray[np.float64], covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.einsum("ni,ij,nj->n", offsets, np.linalg.inv(covariance), offsets))


def test_the_distance_does_not_depend_on_the_scale_of_a_feature() -> None:
    features, targets = clusters(80, 6)
    frames, scale = clusters(7, 6, seed=1)[0], np.array([1, 100, 1, 0.01, 1, 1], np.float32)
    found = [fit_distance([features * by], targets, 1.0).score([frames * by], np) for by in (np.float32(1), scale)]
    np.testing.assert_allclose(found[0], found[1], atol=1e-3)


def test_a_feature_that_is_constant_in_training_is_ignored() -> None:
    features, targets = clusters(80, 6)
    features[:, 3] = 0.1
    frames = clusters(7, 6, seed=1)[0]
    distance = fit_distance([features], targets, 1.0)
    before = distance.score([frames], np)
    frames[:, 3] = 1000
    np.testing.assert_array_equal(distance.score([frames], np), before)


@pytest.mark.parametrize(("frames", "features", "axes"), [(80, 6, 6), (80, 90, 40), (900, 300, 200), (3, 6, 1)])
def test_the_number_of_axes_is_limited(frames: int, features: int, axes: int) -> None:
    found = fit_distance([clusters(frames, features)[0]], clusters(frames, features)[1], 1.0)
    assert found.whitening.shape == (features, 2 * axes)


def test_more_features_than_frames_give_the_same_axes(monkeypatch: pytest.MonkeyPatch) -> None:
    features, targets = clusters(40, 30)
    frames = clusters(7, 30, seed=1)[0]
    many = fit_distance([features], targets, 1.0).score([frames], np)
    constant = np.ones((1, 20), np.float32)  # ignored, but makes the features outnumber the frames
    found = fit_distance([np.hstack([features, constant.repeat(40, 0)])], targets, 1.0)
    np.testing.assert_allclose(
        found.score([np.hstack([frames, constant.repeat(7, 0)])], np), many, rtol=1e-3, atol=1e-4
    )


def test_frames_with_a_set_of_labels_of_their_own_form_one_class() -> None:
    targets = np.array([[0, 0], [1, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    assert label_sets(targets).tolist() == [0, 1, 1, 0, 0]


@pytest.mark.parametrize(("classes", "weight"), [(1, 0), (2, 0.5), (3, 0.9), (4, 0.95), (7, 0.95)])
def test_with_few_classes_the_distance_to_all_frames_counts_less(classes: int, weight: float) -> None:
    assert weight_of(np.eye(classes, dtype=np.float32).repeat(2, axis=0)) == weight


def test_the_weight_of_the_distance_to_all_frames_is_1_with_copies_of_many_classes() -> None:
    targets = np.eye(4, dtype=np.float32).repeat(2, axis=0)
    assert weight_of(targets, changed=True) == 1.0
    assert weight_of(targets[:4], changed=True) == weight_of(targets[:4])
