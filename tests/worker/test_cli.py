"""The command line as a person meets it: one sentence, an exit code, no traceback."""

import json
from pathlib import Path

import pytest

from stripwatch.worker.common.version import __version__
from tests.e2e.line import run_cli
from tests.tiny import write_bundle, write_frames


@pytest.fixture
def bundle(tmp_path: Path) -> str:
    return str(write_bundle(tmp_path / "tiny.onnx"))


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["run"], 2, "setting 'bundle' is missing"),
        (["run", "--bundel", "x"], 2, "no such option '--bundel'; did you mean '--bundle'?"),
        (["rum"], 2, "no such command 'rum'"),
        (["run", "--set", "batch_frame_max=3"], 2, "did you mean 'batch_frames_max'?"),
        (["run", "--set", "nonsense"], 2, "is not KEY=VALUE"),
        (["run", "--provider", "gpu"], 2, "setting 'provider'"),
        (["run", "--batch-frames-max", "many"], 2, "--batch-frames-max"),
        (["run", "--config", "missing.toml"], 6, "missing.toml"),
        (["run", "--bundle", "missing.onnx"], 3, "missing.onnx"),
        (["run", "--bundle", __file__, "--bootstrap-servers", "kafka"], 2, "'kafka' is not HOST:PORT; add the port"),
        (["run", "--bundle", __file__, "--security.protocol=SSL", "--security.ca-file=no.pem"], 6, "no.pem"),
        (["inspect", "missing", "--out", "x.jsonl", "--bundle", "x"], 6, "folder missing does not exist"),
    ],
)
def test_what_is_wrong_is_reported_in_one_sentence(arguments: list[str], code: int, sentence: str) -> None:
    done = run_cli(*arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_a_broker_that_is_not_there_is_one_sentence(bundle: str) -> None:
    done = run_cli("run", "--bundle", bundle, "--bootstrap-servers", "127.0.0.1:1", "--set", "broker.wait_s_max=0.5")
    assert done.returncode == 4
    assert done.stderr.strip().splitlines()[-1].startswith("error: no Kafka broker responded at 127.0.0.1:1")
    assert "Traceback" not in done.stderr


def test_check_prints_one_json_line(bundle: str) -> None:
    done = run_cli("check", "--bundle", bundle, "--batch-frames-max", "4", "--metrics.port", "0")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert (found["provider"], found["precision"]) == ("CPUExecutionProvider", "fp32")
    assert sorted(found["frames_per_second"]) == ["1", "2", "4"]


def test_inspect_ends_with_a_json_summary(bundle: str, tmp_path: Path) -> None:
    write_frames(tmp_path / "in", [0.1, 0.5, 0.9])
    done = run_cli("inspect", "--bundle", bundle, str(tmp_path / "in"), "--out", str(tmp_path / "out.jsonl"))
    assert done.returncode == 0
    assert json.loads(done.stdout.splitlines()[-1])["results"] == 3


def test_the_environment_is_read() -> None:
    done = run_cli("check", STRIPWATCH_BUNDLE="from-environment.onnx")
    assert "from-environment.onnx" in done.stderr


def test_version_and_help() -> None:
    assert run_cli("--version").stdout == f"stripwatch {__version__}\n"
    assert "Example: stripwatch run" in run_cli("run", "--help").stdout
    assert "inspect" in run_cli().stdout
