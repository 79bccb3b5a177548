"""Buffers that stay, on the CPU: the results of a plain run. What a GPU adds is not tested."""

import numpy as np
import onnxruntime as ort
import pytest

from stripwatch.worker.model.bundle import INPUT_NAME, Bundle, read_bundle
from stripwatch.worker.model.io_binding import IoBindingRunner
from stripwatch.worker.model.session import output_names, verify_golden
from tests.tiny import tiny_contract, write_bundle

SIZES = (1, 2, 4)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return read_bundle(write_bundle(tmp_path_factory.mktemp("bound") / "tiny.onnx", tiny_contract()))


@pytest.fixture(scope="module")
def session(bundle: Bundle) -> ort.InferenceSession:
    return ort.InferenceSession(bundle.model, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 9])
def test_any_number_of_frames_gives_what_a_plain_run_gives(
    bundle: Bundle, session: ort.InferenceSession, n: int
) -> None:
    names = output_names(bundle)
    bound = IoBindingRunner(session, names, SIZES, "cpu", graph=False)
    frames = np.random.default_rng(n).integers(0, 256, (n, *bundle.manifest.decode.shape), np.uint8)
    for mine, plain in zip(
        bound.run(names, {INPUT_NAME: frames}), session.run(names, {INPUT_NAME: frames}), strict=True
    ):
        np.testing.assert_allclose(mine, plain, atol=1e-6)


def test_a_result_outlives_the_next_run(bundle: Bundle, session: ort.InferenceSession) -> None:
    names = output_names(bundle)
    bound = IoBindingRunner(session, names, SIZES, "cpu", graph=False)
    dark, bright = (np.full((2, *bundle.manifest.decode.shape), grey, np.uint8) for grey in (0, 255))
    first = bound.run(names, {INPUT_NAME: dark})
    before = [values.copy() for values in first]
    second = bound.run(names, {INPUT_NAME: bright})
    assert not np.allclose(first[0], second[0])
    for values, kept in zip(first, before, strict=True):
        np.testing.assert_array_equal(values, kept)


def test_golden_frames_pass_through_the_buffers(bundle: Bundle, session: ort.InferenceSession) -> None:
    bound = IoBindingRunner(session, output_names(bundle), SIZES, "cpu", graph=True)  # a CPU passes over the graph's id
    assert verify_golden(bundle, bound) <= bundle.manifest.score_tolerance
