"""Errors can be pickled, as process pools require."""

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
def test_errors_survive_pickling(error: StripwatchError) -> None:
    restored = pickle.loads(pickle.dumps(error))
    assert type(restored) is type(error)
    assert str(restored) == str(error)
    assert vars(restored) == vars(error)
    assert restored.exit_code == error.exit_code


def test_the_text_is_a_sentence() -> None:
    assert str(FrameRejected(RejectReason.TOO_SMALL, "it is 4x4")) == "too_small: it is 4x4"
    assert str(WorkerExitError("the worker ended", -9)) == "the worker ended"
    assert WorkerExitError("the worker ended", -9).exit_code == 137
