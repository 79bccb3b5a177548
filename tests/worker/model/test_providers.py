"""Options passed to ONNX Runtime for each provider. Their effect on a GPU is not tested here."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from onnxruntime.capi.onnxruntime_pybind11_state import EPFail

from stripwatch.worker.common.errors import BundleError, InferenceError, SettingsError
from stripwatch.worker.model import gpus
from stripwatch.worker.model.bundle import INPUT_NAME, Bundle
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.model.loading.open_session import open_session, verify_golden
from stripwatch.worker.model.providers import (
    ExecutionOptions,
    choose_provider,
    create_runners,
    create_session,
    runs_on_cpu,
    with_options,
)
from tests.tiny import build_model, tiny_contract, write_bundle

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return read_bundle(write_bundle(tmp_path / "tiny.onnx"))


@pytest.mark.parametrize(
    ("available", "wanted", "chosen"),
    [
        ([CPU], "auto", CPU),
        ([TENSORRT, CUDA, CPU], "auto", CUDA),
        ([TENSORRT, CUDA, CPU], "tensorrt", TENSORRT),
        ([TENSORRT, CUDA, CPU], "cpu", CPU),
    ],
)
def test_auto_selects_cuda_if_available(
    monkeypatch: pytest.MonkeyPatch, available: list[str], wanted: Any, chosen: str
) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: available)
    assert choose_provider(wanted) == chosen
    assert runs_on_cpu(wanted) == (chosen == CPU)


@pytest.mark.parametrize(("wanted", "name"), [("cuda", CUDA), ("tensorrt", TENSORRT)])
def test_names_a_provider_that_is_not_installed(wanted: Any, name: str) -> None:
    with pytest.raises(SettingsError, match=f"provider = '{wanted}' requires {name}.*onnxruntime-gpu"):
        choose_provider(wanted)


def test_cuda_does_not_use_tf32(bundle: Bundle) -> None:
    ((name, options),) = with_options(bundle, CUDA, 8, ExecutionOptions("graph", device_id=1))
    assert name == CUDA
    assert options == {
        "device_id": "1",
        "cudnn_conv_algo_search": "HEURISTIC",
        "use_tf32": "0",
        "enable_cuda_graph": "1",
    }


def test_tensorrt_and_its_cuda_fallback_use_the_same_gpu_and_no_graph(bundle: Bundle, tmp_path: Path) -> None:
    first, second = (
        with_options(bundle, TENSORRT, 8, ExecutionOptions("graph", engine_folder=tmp_path, device_id=device_id))
        for device_id in (0, 1)
    )
    assert [options["device_id"] for _, options in second] == ["1", "1"]
    assert second[1][1]["enable_cuda_graph"] == "0"
    assert first[0][1]["trt_engine_cache_path"] != second[0][1]["trt_engine_cache_path"]


def test_tensorrt_builds_one_engine_for_all_batches_and_keeps_it_by_model(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    (name, options), (after, _) = with_options(bundle, TENSORRT, 8, ExecutionOptions(engine_folder=tmp_path))
    assert (name, after) == (TENSORRT, CUDA)
    height, width, channels = bundle.manifest.decode.shape
    assert options["trt_profile_min_shapes"] == f"{INPUT_NAME}:1x{height}x{width}x{channels}"
    assert options["trt_profile_opt_shapes"] == f"{INPUT_NAME}:8x{height}x{width}x{channels}"
    assert options["trt_fp16_enable"] == "0"
    folder = Path(options["trt_engine_cache_path"])
    assert folder.is_dir()
    assert folder.parent == tmp_path
    assert bundle.sha256 in folder.name
    assert os.environ["NVIDIA_TF32_OVERRIDE"] == "0"


def test_the_engine_admits_the_golden_frames_in_one_batch(bundle: Bundle) -> None:
    (_, options), _ = with_options(bundle, TENSORRT, 1, ExecutionOptions())
    assert options["trt_profile_max_shapes"].startswith(f"{INPUT_NAME}:{len(bundle.manifest.golden)}x")
    assert "trt_engine_cache_enable" not in options


def test_reports_an_unwritable_engine_folder_before_building(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"cannot store the TensorRT engine: .*file.*'cache_folder'"):
        with_options(bundle, TENSORRT, 8, ExecutionOptions(engine_folder=tmp_path / "file"))


def test_enables_fp16_only_for_fp16_models(tmp_path: Path) -> None:
    manifest = tiny_contract(precision="fp16")
    bundle = read_bundle(write_bundle(tmp_path / "half.onnx", manifest, build_model()))
    assert with_options(bundle, TENSORRT, 8, ExecutionOptions())[0][1]["trt_fp16_enable"] == "1"


@pytest.mark.parametrize("wanted", [CUDA, TENSORRT])
def test_rejects_a_fallback_to_another_provider(bundle: Bundle, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime built with the provider, but without its libraries, loads on the CPU and only warns."""

    class FallsBack(ort.InferenceSession):  # type: ignore[misc]
        def __init__(self, model: bytes, options: ort.SessionOptions, providers: Any, **_: Any) -> None:
            super().__init__(model, options, providers=[CPU])

    monkeypatch.setattr(ort, "InferenceSession", FallsBack)
    monkeypatch.setattr(ort, "preload_dlls", lambda: None)
    with pytest.raises(SettingsError, match=f"{wanted} did not start, and ONNX Runtime fell back to {CPU}"):
        create_session(bundle, wanted, 0, 8, ExecutionOptions())


def test_shares_a_plain_session_between_batches(bundle: Bundle) -> None:
    session = create_session(bundle, CPU, 1, 8, ExecutionOptions())
    assert (
        create_runners(bundle, session, ["scores"], [1, 8], CPU, ExecutionOptions("bound", in_flight=3))
        == [session] * 3
    )


@pytest.fixture
def gpu_session(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Record the options passed to an ONNX Runtime that pretends to have a GPU; its sessions run on the CPU."""
    asked: list[dict[str, Any]] = []

    class OnGpu(ort.InferenceSession):  # type: ignore[misc]
        def __init__(self, model: bytes, options: ort.SessionOptions, providers: Any, **more: Any) -> None:
            asked.append({"providers": providers, **more})
            super().__init__(model, options, providers=[CPU], **more)

        def get_providers(self) -> list[str]:
            return [name for name, _ in asked[-1]["providers"]]

    on_cpu = ort.OrtValue.ortvalue_from_shape_and_type
    monkeypatch.setattr(ort, "InferenceSession", OnGpu)
    monkeypatch.setattr(ort, "preload_dlls", lambda: None)
    monkeypatch.setattr(ort.OrtValue, "ortvalue_from_shape_and_type", lambda shape, kind, *place: on_cpu(shape, kind))
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    return asked


@pytest.mark.parametrize("wanted", [CPU, CUDA])
def test_a_failed_run_does_not_fall_back_to_the_cpu(
    bundle: Bundle, gpu_session: list[dict[str, Any]], wanted: str
) -> None:
    """By default `run` in ONNX Runtime's Python API creates a session on the CPU if the device fails."""

    class LostDevice:
        def is_webgpu_graph_capture_enabled(self) -> bool:
            return False

        def run(self, *_: Any) -> None:
            raise EPFail("CUDA failure 719: unspecified launch failure")

    session = create_session(bundle, wanted, 1, 8, ExecutionOptions())
    session._sess = LostDevice()
    with pytest.raises(EPFail, match="719"):
        session.run(["scores"], {INPUT_NAME: np.zeros((1, *bundle.manifest.decode.shape), np.uint8)})
    assert len(gpu_session) == 1


def test_numbers_gpus_as_nvidia_smi_does(
    bundle: Bundle, gpu_session: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    create_session(bundle, CUDA, 1, 8, ExecutionOptions())
    assert os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    create_session(bundle, CUDA, 1, 8, ExecutionOptions())
    assert os.environ["CUDA_DEVICE_ORDER"] == "FASTEST_FIRST"
    monkeypatch.delenv("CUDA_DEVICE_ORDER")


def test_reports_a_missing_gpu_before_onnx_runtime_starts(
    bundle: Bundle, gpu_session: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpus, "count_gpus", lambda: 2)
    with pytest.raises(SettingsError, match="device_id = 2 does not exist: this machine has 2 visible GPUs"):
        create_session(bundle, CUDA, 1, 8, ExecutionOptions(device_id=2))
    assert gpu_session == []


@pytest.mark.parametrize(
    ("said", "error", "named"),
    [
        ("CUDA failure 100: no CUDA-capable device is detected ; GPU=-1", SettingsError, "device_id 0: CUDA failure"),
        ("Invalid device ID: 0, must be between 0 (inclusive) and 0", SettingsError, "Invalid device ID"),
        ("CUDA_PATH is set but CUDA wasn't able to be loaded.", SettingsError, "able to be loaded"),
        ("CUDNN failure 1001: CUDNN_STATUS_NOT_INITIALIZED", SettingsError, "CUDNN failure"),
        (
            "/onnxruntime_src/onnxruntime/python/onnxruntime_pybind_state.cc:729 void onnxruntime::python::"
            "RegisterTensorRTPluginsAsCustomOps(PySessionOptions&, const onnxruntime::ProviderOptions&) Please install "
            "TensorRT libraries as mentioned in the GPU requirements page",
            SettingsError,
            "device_id 0: Please install TensorRT libraries",
        ),
        ("Invalid model: no graph", BundleError, "cannot load it: Invalid model"),
    ],
)
def test_a_gpu_error_is_a_settings_error(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, said: str, error: type[Exception], named: str
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError(said)

    monkeypatch.setattr(ort, "InferenceSession", fail)
    monkeypatch.setattr(ort, "preload_dlls", lambda: None)
    with pytest.raises(error, match=named):
        create_session(bundle, CUDA, 1, 8, ExecutionOptions())


@pytest.mark.parametrize("cuda_run", ["bound", "graph"])
def test_each_runner_has_its_own_buffers_and_graphs(
    bundle: Bundle, gpu_session: list[dict[str, Any]], cuda_run: Any
) -> None:
    execution = ExecutionOptions(cuda_run, in_flight=1 if cuda_run == "graph" else 2, device_id=0)
    session = create_session(bundle, CUDA, 1, 8, execution)
    runners = create_runners(bundle, session, ["scores"], [1, 8], CUDA, execution)
    assert len(set(map(id, runners))) == execution.in_flight
    assert all(verify_golden(bundle, runner) <= bundle.manifest.score_tolerance for runner in runners)


def test_rejects_two_batches_in_flight_with_graphs(bundle: Bundle, gpu_session: list[dict[str, Any]]) -> None:
    execution = ExecutionOptions("graph", in_flight=2)
    session = create_session(bundle, CUDA, 1, 8, execution)
    with pytest.raises(
        SettingsError, match=r"batches_in_flight = 2 is not possible with cuda_run = 'graph'.*one thread"
    ):
        create_runners(bundle, session, ["scores"], [1, 8], CUDA, execution)


def test_a_device_that_fails_at_run_time_is_an_inference_error(
    bundle: Bundle, gpu_session: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CUDA, CPU])
    session = open_session(bundle, "cuda", 1, 2)
    assert (session.provider, session.device_id) == (CUDA, 0)

    def fail(*_: Any) -> None:
        raise RuntimeError("CUDA failure 700: an illegal memory access was encountered\n ; GPU=0")

    monkeypatch.setattr(ort.InferenceSession, "run", fail)
    with pytest.raises(InferenceError, match="batch of 2: CUDA failure 700") as raised:
        session.predict(np.zeros((2, *bundle.manifest.decode.shape), np.uint8))
    assert raised.value.exit_code == 5
