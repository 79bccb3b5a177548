"""Errors go from one process to another, as a pool of processes sends them."""

import pickle

import pytest

from stripwatch.worker.common import errors
from stripwatch.worker.common.errors import FrameRejected, RejectReason, StripwatchError, WorkerExitError

PLAIN = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type)
    and issubclass(kind, StripwatchError)
    and kind not in (FrameRejected, WorkerExitError, StripwatchError)
]
EXAMPLES = [
    *(kind("model.onnx is empty") for kind in PLAIN),
    FrameRejected(RejectReason.EMPTY, "no bytes"),
    WorkerExitError("the worker ended", -9),
]


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_arrives_as_it_was_sent(error: StripwatchError) -> None:
    arrived = pickle.loads(pickle.dumps(error))
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert vars(arrived) == vars(error)
    assert arrived.exit_code == error.exit_code


def test_the_text_says_reason_and_detail() -> None:
    assert str(FrameRejected(RejectReason.TOO_SMALL, "it is 4x4")) == "too_small: it is 4x4"
    assert str(WorkerExitError("the worker ended", -9)) == "the worker ended"
    assert WorkerExitError("the worker ended", -9).exit_code == 137
