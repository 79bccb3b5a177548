"""A session runs the self-test of its bundle before it is used, and reports its real provider."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest

from stripwatch.worker.common.errors import InferenceError
from stripwatch.worker.images.decode import decode
from stripwatch.worker.model.bundle import Manifest
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.model.loading.open_session import open_session
from stripwatch.worker.model.providers import ExecutionOptions
from stripwatch.worker.model.session import Session, WarmedBatch
from tests.tiny import (
    NOISY,
    NOVELTY,
    SPEC,
    encode_frame,
    expected_novelty,
    expected_scores,
    mapped_contract,
    tiny_contract,
    watchful_contract,
    write_bundle,
)


def opened(tmp_path: Path, manifest: Manifest | None = None, model: onnx.ModelProto | None = None) -> Session:
    return open_session(read_bundle(write_bundle(tmp_path / "b.onnx", manifest, model)), "cpu", 1, 4)


def test_computes_the_scores_of_the_model(tmp_path: Path) -> None:
    encoded = [encode_frame(i / 10, seed=i) for i in range(7)]
    frames = np.stack([decode(e, SPEC).pixels for e in encoded])
    scores = opened(tmp_path).predict(frames).scores
    assert scores.dtype == np.float32
    assert np.abs(scores - np.stack([expected_scores(e) for e in encoded])).max() < 1e-5


def test_returns_heatmaps_with_the_scores(tmp_path: Path) -> None:
    session = opened(tmp_path, mapped_contract())
    frames = np.stack([decode(encode_frame(0.5), SPEC).pixels] * 2)
    frames[1, :8, 8:16] = 230
    output = session.predict(frames)
    assert output.heatmaps is not None
    assert output.heatmaps.shape == (2, 2, 3, 3)
    assert output.heatmaps.argmax(-1)[1].tolist() == [[1, 2, 1], [1, 1, 1]]
    np.testing.assert_allclose(output.scores[0], output.heatmaps[0].mean((0, 1)), atol=0.05)
    assert opened(tmp_path).predict(frames).heatmaps is None


def test_does_not_request_heatmaps_without_cell_geometry(tmp_path: Path) -> None:
    frames = np.zeros((1, *SPEC.shape), np.uint8)
    assert opened(tmp_path, mapped_contract(grid=None)).predict(frames).heatmaps is None


@pytest.mark.parametrize(
    ("speeds", "best"), [([100, 101, 104], 1), ([100, 150, 140], 2), ([100, 120, 200], 4), ([158, 120, 101], 1)]
)
def test_selects_a_larger_batch_only_if_it_is_faster(tmp_path: Path, speeds: list[float], best: int) -> None:
    session = opened(tmp_path)
    session.batches = [WarmedBatch(size, speed) for size, speed in zip((1, 2, 4), speeds, strict=True)]
    assert session.best_batch_frames == best


def test_as_many_threads_as_batches_in_flight_can_predict(tmp_path: Path) -> None:
    bundle = read_bundle(write_bundle(tmp_path / "b.onnx"))
    session = open_session(bundle, "cpu", 1, 4, execution=ExecutionOptions(in_flight=2))
    frames = [np.random.default_rng(n).integers(0, 256, (3, *SPEC.shape), np.uint8) for n in range(40)]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(session.predict, frames))
    for each, output in zip(frames, found, strict=True):
        np.testing.assert_allclose(output.scores, session.predict(each).scores, atol=1e-5)


def test_a_failed_run_is_an_inference_error(tmp_path: Path) -> None:
    with pytest.raises(InferenceError, match="batch of 1"):
        opened(tmp_path).predict(np.zeros((1, 3, 3, 3), np.uint8))


def test_returns_novelty_scores_of_the_model(tmp_path: Path) -> None:
    encoded = [encode_frame(0.5, seed=1), encode_frame(0.5, noise=NOISY), encode_frame(0.9, seed=2)]
    frames = np.stack([decode(each, SPEC).pixels for each in encoded])
    novelty = opened(tmp_path, watchful_contract()).predict(frames).novelty
    assert novelty is not None
    assert novelty.dtype == np.float32
    assert novelty.shape == (3,)
    np.testing.assert_allclose(novelty, [expected_novelty(each) for each in encoded], atol=1e-6)
    assert (novelty > NOVELTY.threshold).tolist() == [False, True, False]
    assert opened(tmp_path, tiny_contract()).predict(frames).novelty is None


def test_returns_novelty_scores_next_to_heatmaps(tmp_path: Path) -> None:
    output = opened(tmp_path, mapped_contract(novelty=NOVELTY)).predict(np.zeros((2, *SPEC.shape), np.uint8))
    assert output.heatmaps is not None
    assert output.heatmaps.shape == (2, 2, 3, 3)
    assert output.novelty is not None
    assert output.novelty.tolist() == [0.0, 0.0]


def test_a_padded_batch_has_one_novelty_score_per_frame(tmp_path: Path) -> None:
    session = opened(tmp_path, watchful_contract())
    padded = dataclasses.replace(session, provider="CUDAExecutionProvider")
    output = padded.predict(np.zeros((3, *SPEC.shape), np.uint8))
    assert output.novelty is not None
    assert (len(output.scores), len(output.novelty)) == (3, 3)
