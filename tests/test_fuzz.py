"""A short fuzz run; `python -m tests.fuzz` runs the long one."""

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
    # two reasons arise after decoding, and frames over BYTES_MAX are rare in a short run
    seldom = {RejectReason.INFERENCE_FAILED, RejectReason.UNTRAINED_SIZE, RejectReason.TOO_MANY_BYTES}
    flagged = {"decoded, bit_depth", "decoded, progressive", "decoded, second_image"}
    assert {"decoded", *flagged, *RejectReason} - seldom <= {outcome for _, outcome in found.outcomes}


def test_output_of_a_child_process_on_stderr_is_detected(tmp_path: Path) -> None:
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


def test_the_counts_of_a_run_in_a_child_process_add_up() -> None:
    done: list[int] = []
    found = fuzz.fuzz_in_child(600, seed=2, each=done.append)
    assert found.crashes == {}
    assert found.outcomes.total() == 600
    assert done == [500, 600]


def test_opens_no_path_or_address_from_a_frame() -> None:
    """Paths, links and file names in key, headers and image are never opened, and no address is resolved."""
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
    fuzz.account_record(Record(Position("frames", 0, 0), 0, b"", good, []))  # late imports are done now
    sys.addaudithook(watch)  # an audit hook stays installed, so it must be fast when inactive
    watching = True
    Path(__file__).open().close()
    assert opened.pop()  # the hook works
    for number, name in enumerate(names):
        for encoded in (name, good, good + name, b"\xff\xd8\xff" + name):
            headers = [(header, name) for header in fuzz.NAMES]
            fuzz.account_record(Record(Position("frames", 0, number), 0, name, encoded, headers))
    watching = False
    assert opened == []


def test_any_other_exception_is_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("not a FrameRejected")

    monkeypatch.setattr(fuzz, "decode", broken)
    found = fuzz.fuzz(5, 7, seed=1)
    assert {outcome for _, outcome in found.outcomes} == {fuzz.CRASH}
    assert found.crashes[5].endswith("ValueError: not a FrameRejected")
