import signal
import subprocess
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from stripwatch.worker.common.process.child_process import module_command
from stripwatch.worker.images.decode import decode
from stripwatch.worker.images.decode_spec import DecodeSpec
from stripwatch.worker.simulator.scene import KINDS
from stripwatch.worker.simulator.simulate import render_pool, repeat_pool
from tests.printed import next_steps
from tests.worker.conftest import CommandLine, consume, last_json, read_lines


def positions(sent: list[dict[str, Any]]) -> set[tuple[str, int, int]]:
    return {(line["topic"], line["partition"], line["offset"]) for line in sent}


def test_sends_every_frame_of_every_camera_and_records_it_in_the_sent_file(
    line_broker: str, tmp_path: Path, command_line: CommandLine
) -> None:
    sent_path = tmp_path / "sent.jsonl"
    code, stdout, stderr = command_line(
        *("simulate", "--bootstrap-servers", line_broker, "--cameras", "3", "--frames", "20", "--rate", "0"),
        *("--shape", "64x96", "--pool", "10", "--coil-frames", "8", "--sent", sent_path),
    )
    assert code == 0, stderr
    assert next_steps(stderr) == [f"stripwatch report --bootstrap-servers {line_broker}"]
    summary, sent = last_json(stdout), read_lines(sent_path)
    records = consume(line_broker, 60)
    assert summary["frames_sent"] == len(sent) == 60
    assert positions(sent) == {(record.topic, record.partition, record.offset) for record in records}
    assert len({dict(record.headers)["ce_id"] for record in records}) == 60
    assert Counter(line["camera"] for line in sent) == {"top-1": 20, "top-2": 20, "top-3": 20}
    assert Counter(line["coil"] for line in sent) == {"S1-001": 24, "S1-002": 24, "S1-003": 12}


def test_sigterm_stops_it_cleanly(line_broker: str, tmp_path: Path) -> None:
    sent_path = tmp_path / "sent.jsonl"
    command = [*module_command("worker"), "simulate", "--bootstrap-servers", line_broker, "--shape", "64x64"]
    options = ["--rate", "50", "--pool", "6", "--sent", str(sent_path)]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        consume(line_broker, 1)  # the run has started
        process.send_signal(signal.SIGTERM)
        stdout, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    sent = read_lines(sent_path)
    assert last_json(stdout)["frames_sent"] == len(sent) > 0
    assert positions(sent) == {(each.topic, each.partition, each.offset) for each in consume(line_broker, len(sent))}


def test_a_novel_share_replaces_some_frames_by_a_kind_that_no_training_set_has() -> None:
    plain, with_novel, only = (render_pool(40, (64, 64), 3, 0.5, novel_share=share) for share in (0, 0.25, 1))
    assert {shot.label for shot in plain} <= set(KINDS)
    novel = [number for number, shot in enumerate(with_novel) if shot.label not in KINDS]
    assert 3 <= len(novel) <= 20
    assert [shot for number, shot in enumerate(with_novel) if number not in novel] == [
        shot for number, shot in enumerate(plain) if number not in novel
    ]
    assert {shot.label for shot in only} == {"chatter"}
    assert all(shot.boxes for shot in only)


def test_novel_frames_are_for_cameras_only(tmp_path: Path, command_line: CommandLine) -> None:
    code, _, stderr = command_line("simulate", "--out", tmp_path / "set", "--frames", "6", "--novel-share", "0.1")
    assert (code, (tmp_path / "set").exists()) == (2, False)
    assert "--novel-share applies to cameras only" in stderr


def test_pool_repeats_in_a_different_order_determined_by_the_seed() -> None:
    pool = render_pool(5, (64, 64), seed=3, defect_share=0.5)
    first, again, other = (list(islice(repeat_pool(pool, seed), 25)) for seed in (3, 3, 4))
    assert first == again != other
    assert first[:5] != first[5:10]
    assert {shot.encoded for shot in first[5:10]} == {shot.encoded for shot in pool}


@pytest.mark.parametrize(("defect_share", "clean"), [(0.0, 20), (1.0, 0)])
def test_defect_share_is_respected(defect_share: float, clean: int) -> None:
    labels = [shot.label for shot in render_pool(20, (64, 64), seed=3, defect_share=defect_share)]
    assert labels.count("clean") == clean


def test_brightness_applies_to_cameras_and_training_sets(tmp_path: Path, command_line: CommandLine) -> None:
    dim, plain = (render_pool(3, (64, 64), 3, 0.5, factor)[0].encoded for factor in (0.6, 1.0))
    assert _mean(dim) == pytest.approx(0.6 * _mean(plain), rel=0.02)
    for name, factor in (("dim", "0.6"), ("plain", "1")):
        flags = ["--out", tmp_path / name, "--frames", "1", "--shape", "64x64", "--brightness", factor]
        assert command_line("simulate", *flags)[0] == 0
    dim, plain = (next((tmp_path / name).glob("*.jpg")).read_bytes() for name in ("dim", "plain"))
    assert _mean(dim) == pytest.approx(0.6 * _mean(plain), rel=0.02)


def _mean(encoded: bytes) -> float:
    return float(decode(encoded, DecodeSpec(64, 64, colour="grey")).pixels.mean())


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "either --out DIR (a training set) or --bootstrap-servers HOST:PORT (cameras)"),
        (["--out", "x", "--bootstrap-servers", "localhost:9092"], "either --out DIR (a training set) or"),
        (["--out", "x"], "simulate --out needs --frames N"),
        (["--out", "x", "--frames", "1", "--pixel-format", "Mono8"], "--pixel-format applies to cameras only"),
        (["--out", "x", "--frames", "1", "--sent", "s.jsonl"], "--sent applies to cameras only; omit it with --out"),
        (["--bootstrap-servers", "x:1", "--pixel-format", "mono8"], "--pixel-format must be one of Mono8, Mono10"),
        (
            ["--out", "x", "--shape", "200"],
            "--shape must be HEIGHTxWIDTH with 64 to 4096 px each, such as 256x1600, not '200'",
        ),
        (["--out", "x", "--shape", "10x5000"], "--shape must be HEIGHTxWIDTH with 64 to 4096 px"),
        (
            ["--bootstrap-servers", "nowhere"],
            "--bootstrap-servers must be HOST:PORT[,HOST:PORT...]; 'nowhere' is not HOST:PORT",
        ),
        (["--out", "x", "--frames", "-1"], "--frames"),
    ],
)
def test_wrong_options_give_a_one_line_error(arguments: list[str], sentence: str, command_line: CommandLine) -> None:
    code, stdout, stderr = command_line("simulate", *arguments)
    assert (code, stdout) == (2, "")
    assert stderr.startswith("error: ")
    assert sentence in stderr
    assert len(stderr.splitlines()) == 1
