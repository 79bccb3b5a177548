"""The short fuzz run; `python -m tests.fuzz` is the long one."""

import sys
from pathlib import Path

import numpy as np
import pytest

from stripwatch.worker.common.errors import RejectReason
from stripwatch.worker.contracts.positions import Position, Record
from tests import fuzz
from tests.badframes import GOOD_FRAMES


def test_every_mutated_frame_is_accounted_for() -> None:
    found = fuzz.fuzz(0, 2000, seed=1)
    assert found.crashes == {}
    assert found.outcomes.total() == 2000
    # INFERENCE_FAILED comes after decoding; more than BYTES_MAX is rare among so few
    seldom = {RejectReason.INFERENCE_FAILED, RejectReason.TOO_MANY_BYTES}
    assert {"decoded", *RejectReason} - seldom <= set(found.outcomes)


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
    fuzz.account(0, good, np.random.default_rng(0))  # whatever is imported late is there now
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
    assert found.outcomes == {"crash": 2}
    assert found.crashes[5] == "ValueError: not a FrameRejected"
