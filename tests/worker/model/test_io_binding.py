"""Preallocated buffers on the CPU give the results of a plain run. Behaviour specific to GPUs is not tested."""

import threading
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from stripwatch.worker.model.bundle import INPUT_NAME, Bundle
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.model.io_binding import IoBindingRunner
from stripwatch.worker.model.loading.open_session import verify_golden
from stripwatch.worker.model.session import output_names
from tests.tiny import NOVELTY, mapped_contract, write_bundle

SIZES = (1, 2, 4)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return read_bundle(write_bundle(tmp_path_factory.mktemp("bound") / "tiny.onnx", mapped_contract(novelty=NOVELTY)))


@pytest.fixture(scope="module")
def session(bundle: Bundle) -> ort.InferenceSession:
    return ort.InferenceSession(bundle.model, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 9])
def test_gives_the_results_of_a_plain_run_for_any_number_of_frames(
    bundle: Bundle, session: ort.InferenceSession, n: int
) -> None:
    names = output_names(bundle)
    bound = IoBindingRunner(session, names, SIZES, "cpu", graph=False)
    frames = np.random.default_rng(n).integers(0, 256, (n, *bundle.manifest.decode.shape), np.uint8)
    for mine, plain in zip(
        bound.run(names, {INPUT_NAME: frames}), session.run(names, {INPUT_NAME: frames}), strict=True
    ):
        np.testing.assert_allclose(mine, plain, atol=1e-5)


def test_a_result_is_not_overwritten_by_the_next_run(bundle: Bundle, session: ort.InferenceSession) -> None:
    names = output_names(bundle)
    bound = IoBindingRunner(session, names, SIZES, "cpu", graph=False)
    dark, bright = (np.full((2, *bundle.manifest.decode.shape), grey, np.uint8) for grey in (0, 255))
    first = bound.run(names, {INPUT_NAME: dark})
    before = [values.copy() for values in first]
    second = bound.run(names, {INPUT_NAME: bright})
    assert not np.allclose(first[0], second[0])
    for values, kept in zip(first, before, strict=True):
        np.testing.assert_array_equal(values, kept)


def test_passes_the_self_test_with_buffers(bundle: Bundle, session: ort.InferenceSession) -> None:
    bound = IoBindingRunner(session, output_names(bundle), SIZES, "cpu", graph=True)  # a CPU ignores the graph id
    assert verify_golden(bundle, bound) <= bundle.manifest.score_tolerance


class RecordingRunOptions(ort.RunOptions):  # type: ignore[misc]
    """Records its arguments, because ONNX Runtime cannot return those of a finished run."""

    ids: list[str]

    def add_run_config_entry(self, key: str, value: str) -> None:
        assert key == "gpu_graph_id"
        self.ids.append(value)
        super().add_run_config_entry(key, value)


@pytest.mark.parametrize(
    ("graph", "runners", "ids"),
    [
        (True, 1, ["1", "2", "3"]),
        (True, 2, ["1", "2", "3", "4", "5", "6"]),
        (False, 2, []),
    ],
)
def test_each_runner_and_size_has_its_own_graph(
    bundle: Bundle,
    session: ort.InferenceSession,
    monkeypatch: pytest.MonkeyPatch,
    graph: bool,
    runners: int,
    ids: list[str],
) -> None:
    """A graph reads the buffers that it was captured with: a shared id would give the results of another runner."""
    monkeypatch.setattr(RecordingRunOptions, "ids", [], raising=False)
    monkeypatch.setattr(ort, "RunOptions", RecordingRunOptions)
    for number in range(runners):
        IoBindingRunner(session, output_names(bundle), SIZES, "cpu", graph, number=number)
    assert RecordingRunOptions.ids == ids  # 0 is reserved for runs without a graph id, and -1 for no graph


def test_allocates_buffers_on_the_gpu_of_the_session(
    bundle: Bundle, session: ort.InferenceSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[tuple[str, int]] = set()
    on_cpu = ort.OrtValue.ortvalue_from_shape_and_type

    def allocate(shape: Any, kind: Any, device: str, device_id: int) -> ort.OrtValue:
        asked.add((device, device_id))
        return on_cpu(shape, kind)

    monkeypatch.setattr(ort.OrtValue, "ortvalue_from_shape_and_type", allocate)
    IoBindingRunner(session, output_names(bundle), SIZES, "cuda", graph=False, device_id=3)
    assert asked == {("cuda", 3)}


@pytest.mark.parametrize("graph", [True, False])
def test_captures_and_replays_all_graphs_on_one_thread(
    bundle: Bundle, session: ort.InferenceSession, monkeypatch: pytest.MonkeyPatch, graph: bool
) -> None:
    ran_on: list[str] = []
    run = session.run_with_iobinding

    def recorded(*given: Any) -> None:
        ran_on.append(threading.current_thread().name)
        run(*given)

    monkeypatch.setattr(session, "run_with_iobinding", recorded)
    names = output_names(bundle)
    bound = IoBindingRunner(session, names, SIZES, "cpu", graph)
    frames = np.zeros((1, *bundle.manifest.decode.shape), np.uint8)
    askers = [threading.Thread(target=bound.run, args=(names, {INPUT_NAME: frames}), name=f"{n}") for n in range(3)]
    for asker in askers:
        asker.start()
        asker.join()
    assert ran_on == (["cuda-graph_0"] * 3 if graph else ["0", "1", "2"])


def test_passes_exceptions_of_the_graph_thread_to_the_caller(bundle: Bundle, session: ort.InferenceSession) -> None:
    bound = IoBindingRunner(session, output_names(bundle), SIZES, "cpu", graph=True)
    with pytest.raises(KeyError, match="no such output"):
        bound.run(["no such output"], {INPUT_NAME: np.zeros((1, *bundle.manifest.decode.shape), np.uint8)})
