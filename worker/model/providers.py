"""Execution providers: create ONNX Runtime sessions on a CPU, CUDA or TensorRT, without silent fallback.

Of CUDA and TensorRT only the refusals have been run: no GPU was at hand where this was written.
"""

import os
import re
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import onnxruntime as ort
import structlog

from stripwatch.worker.common.errors import BundleError, SettingsError
from stripwatch.worker.common.process.cores import library_threads
from stripwatch.worker.model.bundle import INPUT_NAME, Bundle
from stripwatch.worker.model.gpus import require_gpu
from stripwatch.worker.model.io_binding import CudaRun, IoBindingRunner, on_graph_thread

log = structlog.get_logger()

Provider = Literal["auto", "cpu", "cuda", "tensorrt"]
InferenceRunner: TypeAlias = ort.InferenceSession | IoBindingRunner

CPU = "CPUExecutionProvider"
_CUDA, _TENSORRT = "CUDAExecutionProvider", "TensorrtExecutionProvider"
# Matches errors of ONNX Runtime about a device or its libraries, as opposed to a model that cannot be loaded.
_GPU_FAULT = re.compile(
    r"CUDA[ _](failure|error|path)|CUDNN|CUBLAS|Invalid device ID|onnxruntime_providers_|able to be loaded"
    r"|RegisterTensorRT|install TensorRT libraries",
    re.IGNORECASE,
)
_SOURCE_LOCATION = re.compile(r"^/onnxruntime_src/.*?\) (?=[A-Z])")
_BY_NAME = {"cpu": CPU, "cuda": _CUDA, "tensorrt": _TENSORRT}


@dataclass(frozen=True, slots=True)
class ExecutionOptions:
    """Options for running batches on a device.

    Attributes:
        cuda_run: Buffers and CUDA graphs, see io_binding.py.
        in_flight: Number of batches that may run at the same time.
        engine_folder: Directory for engines of TensorRT; None: build the engine again at every start.
        device_id: Number of the GPU.
    """

    cuda_run: CudaRun = "plain"
    in_flight: int = 1
    engine_folder: Path | None = None
    device_id: int = 0


DEFAULT_EXECUTION = ExecutionOptions()


def choose_provider(wanted: Provider) -> str:
    """Return ONNX Runtime's name of the provider. Raises SettingsError if it is not available.

    auto never selects TensorRT, because building its engine takes minutes.
    """
    available = ort.get_available_providers()
    if wanted == "auto":
        return _CUDA if _CUDA in available else CPU
    name = _BY_NAME[wanted]
    if name not in available:
        raise SettingsError(
            f"provider = {wanted!r} requires {name}; the installed ONNX Runtime has {', '.join(available)}. "
            "Run pip uninstall onnxruntime, then pip install 'onnxruntime-gpu[cuda,cudnn]'; or set provider = 'cpu'"
        )
    return name


def runs_on_cpu(provider: Provider) -> bool:
    """Return whether a session with this setting runs on the CPU. Raises SettingsError."""
    return choose_provider(provider) == CPU


def create_session(
    bundle: Bundle, provider: str, threads: int, batch_frames_max: int, execution: ExecutionOptions
) -> ort.InferenceSession:
    """Create a session that is not verified yet.

    batch_frames_max: largest batch for which TensorRT builds its engine. Raises BundleError, or SettingsError if ONNX
    Runtime uses another provider.
    """
    options = session_options(threads)
    if provider != CPU:
        _prepare_gpu(execution.device_id)
    if provider == _TENSORRT:
        log.info("building the TensorRT engine; this can take minutes", kept_in=str(execution.engine_folder))
    providers = with_options(bundle, provider, batch_frames_max, execution)
    try:
        # By default ONNX Runtime's Python API falls back to the CPU when the GPU fails, at the start and in later runs.
        session = ort.InferenceSession(bundle.model, options, providers=providers, enable_fallback=False)
    except Exception as error:  # onnxruntime raises a dozen types without a common base
        if provider != CPU and _GPU_FAULT.search(str(error)):
            raise SettingsError(
                f"{provider} did not start on device_id {execution.device_id}: {first_line(error)}"
            ) from error
        raise BundleError(f"{bundle.path}: {_why_not_loaded(bundle, error)}") from error
    if session.get_providers()[0] != provider:  # ONNX Runtime falls back without an error (onnxruntime #23372)
        raise SettingsError(
            f"{provider} did not start, and ONNX Runtime fell back to {session.get_providers()[0]}: "
            "its CUDA, cuDNN or TensorRT libraries are missing or too old. Install them, or set provider = 'cpu'"
        )
    return session


def session_options(threads: int) -> ort.SessionOptions:
    """Return the options of a session of the worker. threads: of ONNX Runtime on a CPU; 0 for its default."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    # By default ONNX Runtime starts a thread for each core of the machine, even if the process may use fewer.
    options.intra_op_num_threads = threads or library_threads()
    # Idle threads of ONNX Runtime spin by default, and occupy the cores that decoding needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def _prepare_gpu(device_id: int) -> None:
    """Set up the environment of CUDA before it starts in this process. Raises SettingsError if the GPU is missing."""
    if device_id:  # 0 is left to CUDA, which saves a call of nvidia-smi at every start
        require_gpu(device_id)
    # Number the GPUs as nvidia-smi does. By default CUDA lists the GPU that it considers the fastest first.
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    with redirect_stdout(sys.stderr):  # it prints missing libraries
        ort.preload_dlls()  # CUDA and cuDNN from the extra "gpu" if installed, else those of the system


def with_options(
    bundle: Bundle, provider: str, batch_frames_max: int, execution: ExecutionOptions
) -> list[tuple[str, dict[str, Any]]]:
    """Return the providers with their options in the order of preference, for ONNX Runtime. Raises SettingsError."""
    # EXHAUSTIVE search, the default, is repeated for each shape. TF32 keeps only 10 bits: the self-test would fail.
    cuda = {
        "device_id": str(execution.device_id),
        "cudnn_conv_algo_search": "HEURISTIC",
        "use_tf32": "0",
        # Not with TensorRT: it has no fixed buffers, and ONNX Runtime does not capture a part of a model.
        "enable_cuda_graph": str(int(execution.cuda_run == "graph" and provider == _CUDA)),
    }
    if provider == _TENSORRT:  # operators that TensorRT does not support run on CUDA
        return [(_TENSORRT, _tensorrt(bundle, batch_frames_max, execution)), (_CUDA, cuda)]
    return [(provider, cuda if provider == _CUDA else {})]


def _tensorrt(bundle: Bundle, batch_frames_max: int, execution: ExecutionOptions) -> dict[str, Any]:
    """Return options for one engine that supports all batch sizes and is optimized for the largest.

    Source: ONNX Runtime, "TensorRT Execution Provider". Raises SettingsError.
    """
    # There is no option to switch off TF32, only this variable of NVIDIA's libraries (onnxruntime #21457).
    os.environ["NVIDIA_TF32_OVERRIDE"] = "0"
    frame = "x".join(map(str, bundle.manifest.decode.shape))
    most = max(batch_frames_max, len(bundle.manifest.golden))  # golden frames are verified in one batch
    options: dict[str, Any] = {
        "device_id": str(execution.device_id),
        "trt_profile_min_shapes": f"{INPUT_NAME}:1x{frame}",
        "trt_profile_opt_shapes": f"{INPUT_NAME}:{batch_frames_max}x{frame}",
        "trt_profile_max_shapes": f"{INPUT_NAME}:{most}x{frame}",
        "trt_fp16_enable": str(int(bundle.manifest.precision == "fp16")),
    }
    if execution.engine_folder is None:
        return options
    # Each engine has its own folder, because ONNX Runtime finds a cached engine only by the name of its graph and could
    # load a wrong one (onnxruntime #32254). Each GPU too: an engine is tuned for the model of its GPU, and processes
    # that start together would write the same file.
    name = f"{bundle.sha256}-{batch_frames_max}-{ort.__version__}-gpu{execution.device_id}"
    folder = execution.engine_folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"cannot store the TensorRT engine: {error}; set another 'cache_folder'") from error
    kept = {"trt_engine_cache_enable": "1", "trt_timing_cache_enable": "1"}
    return options | kept | {"trt_engine_cache_path": str(folder), "trt_timing_cache_path": str(folder)}


def create_runners(
    bundle: Bundle,
    session: ort.InferenceSession,
    names: list[str],
    sizes: list[int],
    provider: str,
    execution: ExecutionOptions,
) -> list[InferenceRunner]:
    """Create one runner for each batch in flight. A plain session is thread-safe and shared; buffers are not.

    Raises SettingsError for several batches in flight with CUDA graphs: ONNX Runtime does not allow Run() of such a
    session on several threads ("CUDA graphs": "Multi-threaded usage is currently not supported"), and on one thread the
    second batch would only wait for the first. Raises BundleError if the buffers cannot be allocated.
    """
    if provider != _CUDA or execution.cuda_run == "plain":
        return [session] * execution.in_flight
    graph = execution.cuda_run == "graph"
    if graph and execution.in_flight > 1:
        raise SettingsError(
            f"batches_in_flight = {execution.in_flight} is not possible with cuda_run = 'graph', because ONNX Runtime "
            "runs a session with CUDA graphs on one thread only; set batches_in_flight = 1"
        )

    def create() -> list[InferenceRunner]:
        return [
            IoBindingRunner(session, names, sizes, "cuda", graph, execution.device_id, number)
            for number in range(execution.in_flight)
        ]

    try:
        return on_graph_thread(create) if graph else create()
    except Exception as error:  # onnxruntime raises a dozen types without a common base
        raise BundleError(f"{bundle.path}: cannot allocate its buffers on the GPU: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """Return the first line of an exception of ONNX Runtime, without the location in its source."""
    text = _SOURCE_LOCATION.sub("", str(error).strip())
    return text.splitlines()[0] if text else type(error).__name__


def _why_not_loaded(bundle: Bundle, error: Exception) -> str:
    if "opset" in str(error).lower():
        return f"it requires ONNX opset {bundle.manifest.opset}, which ONNX Runtime {ort.__version__} does not support"
    return f"ONNX Runtime cannot load it: {first_line(error)}"
