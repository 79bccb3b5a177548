"""The two examples in deploy/contracts: send frames to a worker, and read its defect events."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stripwatch.worker.bench.embedded_broker import embedded_broker as running_embedded_broker
from stripwatch.worker.common.process.ports import free_port
from stripwatch.worker.contracts.topics import ALL
from tests.brokers.handle import BrokerHandle
from tests.e2e.line import SESSION_MS, Line, run_cli, running_worker
from tests.tiny import encode_frame

CONTRACTS = Path(__file__).parents[2] / "deploy" / "contracts"
LINES_MAX = {"send_frames.py": 30, "read_defects.py": 28}
TOPICS = {name.rpartition(".")[2]: name for name in ALL}
WAIT_S_MAX = 60


def command(name: str, *arguments: object) -> list[str]:
    return [sys.executable, str(CONTRACTS / name), *map(str, arguments)]


def run(name: str, *arguments: object) -> tuple[int, str, str]:
    done = subprocess.run(command(name, *arguments), capture_output=True, text=True, timeout=WAIT_S_MAX)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number, (brightness, suffix) in enumerate([(0.9, ".png"), (0.9, ".jpg"), (0.1, ".webp")]):
        (folder / f"{number}{suffix}").write_bytes(encode_frame(brightness, suffix=suffix))
    (folder / "notes.txt").write_text("not an image")
    return folder


def test_one_example_sends_frames_and_the_other_reads_their_defects(images: Path, bundle: Path) -> None:
    with running_embedded_broker() as broker:
        servers = broker.bootstrap_servers
        line = Line(BrokerHandle("embedded", servers, SESSION_MS), topics=TOPICS)
        assert run_cli("topics", "--bootstrap-servers", servers).returncode == 0
        assert run("send_frames.py", servers, images, "/plant/line-7/top-7") == (0, "sent 3 frames\n", "")
        with running_worker(line, bundle, "g") as worker:
            worker.await_ready()
            with subprocess.Popen(command("read_defects.py", servers), stdout=subprocess.PIPE, text=True) as reader:
                assert reader.stdout
                assert [reader.stdout.readline() for _ in range(2)] == ["None top-7 bright None\n"] * 2
                reader.send_signal(signal.SIGINT)
                assert reader.wait(WAIT_S_MAX) == 130


@pytest.mark.parametrize(("name", "sends"), [("send_frames.py", True), ("read_defects.py", False)])
def test_an_absent_broker_gives_a_one_line_error_and_exit_code_4(name: str, sends: bool, images: Path) -> None:
    servers = f"127.0.0.1:{free_port()}"
    code, out, err = run(name, servers, *([images] if sends else []))
    assert (code, out) == (4, "")
    assert servers in err
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1


def test_a_frame_that_kafka_refuses_is_named(tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(bytes(40_000_001))
    with running_embedded_broker() as broker:
        code, out, err = run("send_frames.py", broker.bootstrap_servers, tmp_path)
    assert (code, out) == (4, "")
    assert f"cannot send {tmp_path / 'large.png'} to Kafka at {broker.bootstrap_servers}: " in err
    assert "MessageSizeTooLarge" in err


@pytest.mark.parametrize("folder", ["empty", "missing"])
def test_a_folder_without_images_is_an_error(folder: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, out, err = run("send_frames.py", "127.0.0.1:9", tmp_path / folder)
    assert (code, out, err) == (1, "", f"the folder {tmp_path / folder} is missing or contains no images\n")


@pytest.mark.parametrize("name", LINES_MAX)
@pytest.mark.parametrize("arguments", [[], ["a", "b", "c", "d"]])
def test_wrong_arguments_print_the_usage(name: str, arguments: list[str]) -> None:
    code, out, err = run(name, *arguments)
    assert (code, out) == (1, "")
    assert re.fullmatch(rf"usage: .+: python {name} HOST:PORT .+\n", err)


@pytest.mark.parametrize("name", LINES_MAX)
def test_an_example_is_short(name: str) -> None:
    assert len((CONTRACTS / name).read_text().splitlines()) <= LINES_MAX[name]
