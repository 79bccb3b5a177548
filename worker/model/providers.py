"""What ONNX Runtime runs a model on: a CPU, CUDA, or TensorRT, and never another one than was asked for.

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
# In what ONNX Runtime says of a device or its libraries, as against a model that it cannot load.
_GPU_FAULT = re.compile(
    r"CUDA[ _](failure|error|path)|CUDNN|CUBLAS|Invalid device ID|onnxruntime_providers_|able to be loaded"
    r"|RegisterTensorRT|install TensorRT libraries",
    re.IGNORECASE,
)
_SOURCE_PLACE = re.compile(r"^/onnxruntime_src/.*?\) (?=[A-Z])")
_BY_NAME = {"cpu": CPU, "cuda": _CUDA, "tensorrt": _TENSORRT}


@dataclass(frozen=True, slots=True)
class ExecutionOptions:
    """How batches get to the device.

    cuda_run: see io_binding.py. in_flight: batches that may run at the same time. engine_folder: where TensorRT keeps
    what it has built; None: it builds again at every start. device_id: of the GPU.
    """

    cuda_run: CudaRun = "plain"
    in_flight: int = 1
    engine_folder: Path | None = None
    device_id: int = 0


DEFAULT_EXECUTION = ExecutionOptions()


def choose_provider(wanted: Provider) -> str:
    """ONNX Runtime's name of it. auto never takes TensorRT, which builds for minutes. Raises SettingsError."""
    available = ort.get_available_providers()
    if wanted == "auto":
        return _CUDA if _CUDA in available else CPU
    name = _BY_NAME[wanted]
    if name not in available:
        raise SettingsError(
            f"provider = {wanted!r} needs {name}; the ONNX Runtime installed here has {', '.join(available)}. "
            "Run pip uninstall onnxruntime, then pip install 'onnxruntime-gpu[cuda,cudnn]'; or set provider = 'cpu'"
        )
    return name


def runs_on_cpu(provider: Provider) -> bool:
    """Whether a session with this setting will run on the CPU. Raises SettingsError."""
    return choose_provider(provider) == CPU


def create_session(
    bundle: Bundle, provider: str, threads: int, batch_frames_max: int, execution: ExecutionOptions
) -> ort.InferenceSession:
    """Not yet verified. Raises BundleError, or SettingsError where ONNX Runtime took another provider.

    batch_frames_max: TensorRT's engine is built for no larger batch.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 3
    # By itself ONNX Runtime starts a thread for each core of the machine, also where the process may use fewer.
    options.intra_op_num_threads = threads or library_threads()
    # Idle threads of ONNX Runtime spin by default, and take the cores that decoding needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if provider != CPU:
        _prepare_gpu(execution.device_id)
    if provider == _TENSORRT:
        log.info("TensorRT builds its engine, which can take minutes", kept_in=str(execution.engine_folder))
    providers = with_options(bundle, provider, batch_frames_max, execution)
    try:
        # By default ONNX Runtime's Python takes the CPU after a failure of the GPU, at the start and in any later run.
        session = ort.InferenceSession(bundle.model, options, providers=providers, enable_fallback=False)
    except Exception as error:  # onnxruntime raises a dozen types without a common base
        if provider != CPU and _GPU_FAULT.search(str(error)):
            raise SettingsError(
                f"{provider} did not start on device_id {execution.device_id}: {first_line(error)}"
            ) from error
        raise BundleError(f"{bundle.path}: {_why_not_loaded(bundle, error)}") from error
    if session.get_providers()[0] != provider:  # it falls back without an error (onnxruntime #23372)
        raise SettingsError(
            f"{provider} did not start, and ONNX Runtime fell back to {session.get_providers()[0]}: "
            "its CUDA, cuDNN or TensorRT libraries are missing or too old. Install them, or set provider = 'cpu'"
        )
    return session


def _prepare_gpu(device_id: int) -> None:
    """Before CUDA starts in this process, which reads all this once. Raises SettingsError."""
    if device_id:  # 0 is asked of CUDA itself, which costs no call of nvidia-smi at every start
        require_gpu(device_id)
    # As nvidia-smi numbers them. By itself CUDA puts the GPU that it takes for the fastest first.
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    with redirect_stdout(sys.stderr):  # it prints what it misses
        ort.preload_dlls()  # CUDA and cuDNN as the extra gpu brings them; else those of the system are taken


def with_options(
    bundle: Bundle, provider: str, batch_frames_max: int, execution: ExecutionOptions
) -> list[tuple[str, dict[str, Any]]]:
    """Providers and their options, first choice first, as ONNX Runtime takes them. Raises SettingsError."""
    # EXHAUSTIVE search, the default, is repeated for each shape. TF32 keeps 10 bits: golden frames would fail.
    cuda = {
        "device_id": str(execution.device_id),
        "cudnn_conv_algo_search": "HEURISTIC",
        "use_tf32": "0",
        # Not beside TensorRT: there no buffers stay, and ONNX Runtime refuses to capture a part of a model.
        "enable_cuda_graph": str(int(execution.cuda_run == "graph" and provider == _CUDA)),
    }
    if provider == _TENSORRT:  # what it cannot take goes to CUDA
        return [(_TENSORRT, _tensorrt(bundle, batch_frames_max, execution)), (_CUDA, cuda)]
    return [(provider, cuda if provider == _CUDA else {})]


def _tensorrt(bundle: Bundle, batch_frames_max: int, execution: ExecutionOptions) -> dict[str, Any]:
    """One engine for all batch sizes, best at the largest (ONNX Runtime, "TensorRT Execution Provider")."""
    # There is no option against TF32, but what NVIDIA's libraries read themselves (onnxruntime #21457).
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
    # A folder for each: by the name of its graph alone one engine is taken for another's (onnxruntime #32254). For each
    # GPU too: an engine is tuned for the model of its GPU, and processes that start together would write one file.
    name = f"{bundle.sha256}-{batch_frames_max}-{ort.__version__}-gpu{execution.device_id}"
    folder = execution.engine_folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"TensorRT's engine cannot be kept: {error}; name another 'cache_folder'") from error
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
    """As many as batches may be in flight. A plain session takes several calls at once; buffers are one call's each.

    Raises SettingsError where several batches are to be in flight by CUDA graphs: ONNX Runtime allows no Run() of such
    a session on several threads ("CUDA graphs", "Multi-threaded usage is currently not supported"). On one thread the
    second batch would only wait for the first.
    """
    if provider != _CUDA or execution.cuda_run == "plain":
        return [session] * execution.in_flight
    graph = execution.cuda_run == "graph"
    if graph and execution.in_flight > 1:
        raise SettingsError(
            f"batches_in_flight = {execution.in_flight} does not go with cuda_run = 'graph': "
            "ONNX Runtime runs a session with CUDA graphs on one thread alone"
        )

    def create() -> list[InferenceRunner]:
        return [
            IoBindingRunner(session, names, sizes, "cuda", graph, execution.device_id, number)
            for number in range(execution.in_flight)
        ]

    try:
        return on_graph_thread(create) if graph else create()
    except Exception as error:  # onnxruntime raises a dozen types without a common base
        raise BundleError(f"{bundle.path}: no buffers on the GPU for it: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """What an exception of ONNX Runtime says first, without the place in its source."""
    text = _SOURCE_PLACE.sub("", str(error).strip())
    return text.splitlines()[0] if text else type(error).__name__


def _why_not_loaded(bundle: Bundle, error: Exception) -> str:
    if "opset" in str(error).lower():
        return f"it needs ONNX opset {bundle.manifest.opset}, and ONNX Runtime {ort.__version__} does not know that"
    return f"ONNX Runtime cannot load it: {first_line(error)}"
