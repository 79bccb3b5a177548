"""What is asked of ONNX Runtime for each provider. That a GPU then does it is not tested: none is at hand."""

import os
from pathlib import Path
from typing import Any

import onnxruntime as ort
import pytest

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.model.bundle import INPUT_NAME, Bundle, read_bundle
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
def test_auto_takes_cuda_where_it_is_there(
    monkeypatch: pytest.MonkeyPatch, available: list[str], wanted: Any, chosen: str
) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: available)
    assert choose_provider(wanted) == chosen
    assert runs_on_cpu(wanted) == (chosen == CPU)


@pytest.mark.parametrize(("wanted", "name"), [("cuda", CUDA), ("tensorrt", TENSORRT)])
def test_what_is_not_installed_is_refused_by_name(wanted: Any, name: str) -> None:
    with pytest.raises(SettingsError, match=f"provider = '{wanted}' needs {name}.*stripwatch.gpu."):
        choose_provider(wanted)


def test_cuda_is_held_to_full_floats(bundle: Bundle) -> None:
    ((name, options),) = with_options(bundle, CUDA, 8, ExecutionOptions("graph"))
    assert name == CUDA
    assert options == {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0", "enable_cuda_graph": "1"}


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


def test_golden_frames_fit_into_the_engine_however_small_the_batch(bundle: Bundle) -> None:
    (_, options), _ = with_options(bundle, TENSORRT, 1, ExecutionOptions())
    assert options["trt_profile_max_shapes"].startswith(f"{INPUT_NAME}:{len(bundle.manifest.golden)}x")
    assert "trt_engine_cache_enable" not in options


def test_an_engine_that_cannot_be_kept_is_said_before_minutes_of_building(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"cannot be kept: .*file.*'cache_folder'"):
        with_options(bundle, TENSORRT, 8, ExecutionOptions(engine_folder=tmp_path / "file"))


def test_half_floats_are_allowed_where_the_model_has_them(tmp_path: Path) -> None:
    manifest = tiny_contract(precision="fp16")
    bundle = read_bundle(write_bundle(tmp_path / "half.onnx", manifest, build_model()))
    assert with_options(bundle, TENSORRT, 8, ExecutionOptions())[0][1]["trt_fp16_enable"] == "1"


@pytest.mark.parametrize("wanted", [CUDA, TENSORRT])
def test_a_provider_that_falls_back_is_refused(bundle: Bundle, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime with it built in, on a machine without its libraries: it loads on the CPU and only warns."""

    class FallsBack(ort.InferenceSession):  # type: ignore[misc]
        def __init__(self, model: bytes, options: ort.SessionOptions, providers: Any) -> None:
            super().__init__(model, options, providers=[CPU])

    monkeypatch.setattr(ort, "InferenceSession", FallsBack)
    monkeypatch.setattr(ort, "preload_dlls", lambda: None)
    with pytest.raises(SettingsError, match=f"{wanted} did not start, and ONNX Runtime fell back to {CPU}"):
        create_session(bundle, wanted, 0, 8, ExecutionOptions())


def test_a_plain_session_takes_all_calls_at_once(bundle: Bundle) -> None:
    session = create_session(bundle, CPU, 1, 8, ExecutionOptions())
    assert (
        create_runners(bundle, session, ["scores"], [1, 8], CPU, ExecutionOptions("bound", in_flight=3))
        == [session] * 3
    )
