"""The demo as a new user runs it, and its error messages."""

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from stripwatch.worker.bench.demo import DEMO_BUNDLE
from stripwatch.worker.common.process.child_process import module_command
from tests.brokers.handle import BrokerHandle
from tests.e2e.line import START_S_MAX, run_cli
from tests.tiny import LABELS, write_frames

KEYS = {
    "frames_sent",
    "results",
    "rejects",
    "defects",
    "frames_per_second",
    "latency_ms_p50",
    "latency_ms_p99",
    "correct_ratio",
    "provider",
}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_frames(tmp_path / "photos", [i / 50 for i in range(50)])
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken")
    return tmp_path / "photos"


def summary_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_demo_bundle_classifies_an_unseen_strip(embedded_broker: BrokerHandle) -> None:
    assert DEMO_BUNDLE.stat().st_size <= 4_000_000
    done = run_cli("demo", "--seconds", "8")
    assert done.returncode == 0, done.stderr
    found = summary_of(done)
    assert set(found) == KEYS
    assert found["results"] + found["rejects"] == found["frames_sent"] > 0
    assert found["correct_ratio"] >= 0.9
    assert found["latency_ms_p50"] <= found["latency_ms_p99"]
    assert "serving the live page at http://127.0.0.1:" in done.stderr
    assert "the live page exited" not in done.stderr


@pytest.mark.long
def test_inspects_a_folder_with_another_bundle_on_an_existing_kafka(
    broker: BrokerHandle, photos: Path, bundle: Path
) -> None:
    arguments = ("--frames", str(photos), "--bundle", str(bundle), "--broker", broker.bootstrap_servers)
    done = run_cli("demo", "--seconds", "4", *arguments)
    assert done.returncode == 0, done.stderr
    found = summary_of(done)
    assert found["results"] + found["rejects"] == found["frames_sent"] > found["rejects"] > 0
    assert found["correct_ratio"] == 1.0
    with broker.admin() as admin:
        assert not [topic for topic in admin.list_topics() if "demo-" in str(topic)]


@pytest.mark.long
def test_wrong_labels_fail_the_demo(embedded_broker: BrokerHandle, photos: Path, bundle: Path) -> None:
    for number, path in enumerate(sorted(photos.glob("*_*.png"))):
        path.rename(path.with_name(f"{LABELS[number % 3]}_{number + 1000}.png"))
    done = run_cli("demo", "--seconds", "2", "--frames", str(photos), "--bundle", str(bundle))
    assert done.returncode == 9
    assert "label accuracy" in done.stderr
    assert summary_of(done)["correct_ratio"] < 0.9


@pytest.mark.long
def test_the_accuracy_is_null_if_no_file_name_has_a_label(
    embedded_broker: BrokerHandle, photos: Path, bundle: Path
) -> None:
    for number, path in enumerate(sorted(photos.glob("*_*.png"))):
        path.rename(path.with_name(f"photo_{number}.png"))
    done = run_cli("demo", "--seconds", "2", "--frames", str(photos), "--bundle", str(bundle))
    assert done.returncode == 0, done.stderr
    assert summary_of(done)["correct_ratio"] is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_demo_cleanly(
    embedded_broker: BrokerHandle, photos: Path, bundle: Path, number: signal.Signals
) -> None:
    command = [*module_command("worker"), "demo", "--frames", str(photos), "--bundle", str(bundle)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        while "results" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(number)
        output, errors = process.communicate(timeout=START_S_MAX)
    assert process.returncode == 0, errors
    found = json.loads(output.splitlines()[-1])
    assert found["results"] + found["rejects"] == found["frames_sent"]


def test_a_signal_before_the_first_frame_stops_the_demo_at_once(
    embedded_broker: BrokerHandle, photos: Path, bundle: Path
) -> None:
    command = [*module_command("worker"), "demo", "--frames", str(photos), "--bundle", str(bundle)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert process.stderr.readline().startswith("starting the worker")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=START_S_MAX)
    assert process.returncode in (0, 9), errors  # 0: the demo finished before the signal
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--bundle", "missing.onnx"], 3, "missing.onnx"),
        (["--frames", "missing", "--bundle", "BUNDLE"], 6, "missing"),
        (["--broker", "127.0.0.1:1", "--bundle", "BUNDLE"], 4, "127.0.0.1:1"),
    ],
)
def test_errors_name_what_is_missing(bundle: Path, arguments: list[str], code: int, sentence: str) -> None:
    done = run_cli("demo", *[str(bundle) if argument == "BUNDLE" else argument for argument in arguments])
    assert done.returncode == code
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
