"""The short fuzz run; `python -m tests.fuzz` is the long one."""

import subprocess
import sys
from pathlib import Path

import pytest

from stripwatch.worker.common.errors import RejectReason
from stripwatch.worker.contracts.positions import Position, Record
from tests import fuzz
from tests.badframes import GOOD_FRAMES
from tests.mutate import KINDS


def test_every_mutated_frame_is_accounted_for() -> None:
    found = fuzz.fuzz(0, 3000, seed=1)
    assert found.crashes == {}
    assert found.outcomes.total() == 3000
    assert set(found.by_kind()) == {*KINDS, "raw"}
    assert all("decoded" in found.by_kind()[kind] for kind in ("raw", *KINDS) if kind != "other")
    # Two come after decoding; more than BYTES_MAX is rare among so few
    seldom = {RejectReason.INFERENCE_FAILED, RejectReason.UNTRAINED_SIZE, RejectReason.TOO_MANY_BYTES}
    flagged = {"decoded, bit_depth", "decoded, progressive", "decoded, second_image"}
    assert {"decoded", *flagged, *RejectReason} - seldom <= {outcome for _, outcome in found.outcomes}


def test_what_a_child_process_writes_to_stderr_is_seen(tmp_path: Path) -> None:
    script = f"""
import os, sys
from tests.fuzz import StderrWatch
watch = StderrWatch({str(tmp_path / "stderr")!r})
assert watch.new_text() == ""
os.write(2, b"libpng warning")
print("from Python", file=sys.stderr, flush=True)
print(repr(watch.new_text() + watch.new_text()))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == repr("libpng warningfrom Python\n") + "\n", done.stderr


def test_a_run_in_a_child_process_adds_up() -> None:
    done: list[int] = []
    found = fuzz.fuzz_in_child(600, seed=2, each=done.append)
    assert found.crashes == {}
    assert found.outcomes.total() == 600
    assert done == [500, 600]


def test_nothing_that_a_sender_writes_is_opened() -> None:
    """Paths, links and names of files in key, headers and image: no file is opened and no address is looked up."""
    opened: list[object] = []
    watching = False

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if watching and event in ("open", "os.listdir", "socket.connect", "socket.getaddrinfo", "subprocess.Popen"):
            opened.append((event, arguments))

    names = [
        b"/etc/hostname",
        b"../../etc/hostname",
        b"file:///etc/hostname",
        b"http://127.0.0.1:1/a.jpg",
        b"C:\\a.jpg",
    ]
    good = GOOD_FRAMES["grey PNG"]
    fuzz.account_record(Record(Position("frames", 0, 0), 0, b"", good, []))  # whatever is imported late is there now
    sys.addaudithook(watch)  # for good, so it has to be quick when nobody watches
    watching = True
    Path(__file__).open().close()
    assert opened.pop()  # it does see
    for number, name in enumerate(names):
        for encoded in (name, good, good + name, b"\xff\xd8\xff" + name):
            headers = [(header, name) for header in fuzz.NAMES]
            fuzz.account_record(Record(Position("frames", 0, number), 0, name, encoded, headers))
    watching = False
    assert opened == []


def test_an_exception_of_another_kind_is_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("not a FrameRejected")

    monkeypatch.setattr(fuzz, "decode", broken)
    found = fuzz.fuzz(5, 7, seed=1)
    assert {outcome for _, outcome in found.outcomes} == {fuzz.CRASH}
    assert found.crashes[5].endswith("ValueError: not a FrameRejected")
