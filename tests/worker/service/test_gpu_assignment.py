"""GPUs are assigned to processes round-robin. The GPUs are simulated."""

from typing import Any

import onnxruntime as ort
import pytest
from structlog.testing import capture_logs

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.service import gpu_assignment
from stripwatch.worker.service.autotune import choose_layout
from stripwatch.worker.service.core_layout import CoreLayout
from stripwatch.worker.service.gpu_assignment import assign_gpus
from stripwatch.worker.service.supervisor import worker_command

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """A machine whose ONNX Runtime has all providers. The test sets the number of GPUs."""
    found: list[int | None] = [2]
    monkeypatch.setattr(ort, "get_available_providers", lambda: [TENSORRT, CUDA, CPU])
    monkeypatch.setattr(gpu_assignment, "count_gpus", lambda: found[0])
    return found


@pytest.mark.parametrize(
    ("given", "count", "processes", "assigned", "events"),
    [
        ({"provider": "cpu"}, 2, 2, [None, None], []),
        ({"provider": "cuda"}, 2, 2, [0, 1], []),
        ({"provider": "tensorrt"}, 2, 2, [0, 1], []),
        ({}, 2, 2, [0, 1], []),  # auto chooses CUDA
        ({}, 2, 5, [0, 1, 0, 1, 0], ["processes share GPUs"]),
        ({}, 4, 2, [0, 1], ["GPUs are unused"]),
        ({}, 4, 1, [0], ["GPUs are unused"]),
        ({}, 1, 1, [0], []),
        ({}, None, 2, [0, 0], ["cannot count the GPUs; assuming one", "processes share GPUs"]),
        ({}, 0, 1, [0], []),  # CUDA itself reports it
        ({"device_id": 1}, 4, 2, [1, 1], []),
        ({"device_id": 0}, 4, 2, [0, 0], []),
    ],
)
def test_assigns_gpus_round_robin(
    gpus: list[int | None],
    given: dict[str, Any],
    count: int | None,
    processes: int,
    assigned: list[int | None],
    events: list[str],
) -> None:
    gpus[0] = count
    with capture_logs() as logs:
        assert assign_gpus(load_settings(None, given), processes) == assigned
    assert [line["event"] for line in logs] == events


def test_logs_unused_gpus(gpus: list[int | None]) -> None:
    gpus[0] = 4
    with capture_logs() as logs:
        assign_gpus(load_settings(None, {}), 2)
    assert logs[0]["unused"] == [2, 3]


@pytest.mark.parametrize(
    ("given", "count", "processes", "reason"),
    [
        ({}, 4, 4, "one process on each of 4 GPUs"),
        ({}, 1, 1, "one process on the only GPU"),
        ({"device_id": 2}, 4, 1, "one process on the GPU set by device_id = 2"),
    ],
)
def test_auto_is_one_process_per_gpu(
    gpus: list[int | None], given: dict[str, Any], count: int, processes: int, reason: str
) -> None:
    gpus[0] = count
    choice = choose_layout(load_settings(None, {"processes": "auto", **given}))
    assert (choice.layout.processes, choice.reason) == (processes, reason)


def test_a_missing_provider_is_reported_before_any_process_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ort, "get_available_providers", lambda: [CPU])
    with pytest.raises(SettingsError, match="provider = 'cuda'"):
        assign_gpus(load_settings(None, {"provider": "cuda"}), 2)


@pytest.mark.parametrize(("device_id", "given"), [(None, False), (0, True), (3, True)])
def test_a_worker_gets_its_gpu_on_the_command_line(device_id: int | None, given: bool) -> None:
    command = worker_command(["run"], "line-0", 0, 9000, CoreLayout(2, 1, 1), device_id)
    assert (f"device_id={device_id}" in command) == given
