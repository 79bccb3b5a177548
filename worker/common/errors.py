"""Exceptions of the project, with the exit codes of commands that they end.

docs/reference/exit-codes.md is generated from the docstrings of the classes: the first paragraph is the meaning, the
second is what to do.
"""

import re
from collections.abc import Callable, Iterable

from stripwatch.worker.common.described_enum import DescribedEnum

# Patterns in the messages of pydantic, and what replaces them, applied in this order.
_REWORDED = (
    (r"^(Input|String) should (?=be |have |match )", "must "),
    (r"^'[^']*' is not one of ", "must be one of "),
    (r"^Input is not a valid path.*", "must be a path"),
    (r"^(must be a valid \w+), .*", r"\1"),
    (r"^must be a valid integer", "must be an integer"),
    (r"^must be a valid boolean", "must be true or false"),
    (r"^must be a valid dictionary", "must be a table"),
    (r"^must be a valid ", "must be a "),
    (r"^must be greater than or equal to ", "must be at least "),
    (r"^must be less than or equal to ", "must be at most "),
    (r"^must match pattern '\^\[A-Za-z0-9\._-\]\*\$'$", "must contain only letters, digits, '.', '_' and '-'"),
)


class StripwatchError(Exception):
    """Base class. The text is one sentence for a person that names the file, field or setting."""

    exit_code = 1


class SettingsError(StripwatchError):
    """An invalid option, setting key or value, or a GPU or port that is not available.

    Correct the setting that the message names. `stripwatch check` verifies a settings file without connecting to Kafka.
    """

    exit_code = 2


class BundleError(StripwatchError):
    """A bundle that cannot be read, was changed, or fails its self-test.

    Go back to the bundle that ran before (`stripwatch export rollback`), then check the new one with
    `stripwatch export verify`.
    """

    exit_code = 3


class BrokerUnavailableError(StripwatchError):
    """Kafka cannot be reached, was away for too long, or refused the client or a request.

    Check the brokers, `bootstrap_servers`, certificates, passwords and ACLs. Retry when Kafka is available. A worker is
    restarted by its supervisor and continues at the committed offsets, so it loses no frame that Kafka still keeps.
    After an outage nothing else is needed; correct the cause if Kafka refused the client or a request.
    """

    exit_code = 4


class InferenceError(StripwatchError):
    """ONNX Runtime failed while it ran the model.

    Check the device (`nvidia-smi` for a GPU) and its memory, and restart the worker.
    """

    exit_code = 5


class InputError(StripwatchError):
    """A file, folder or record is missing, already exists, is not readable or writable, or has the wrong format.

    Correct the path, or use `--force` where the command offers it to replace a file.
    """

    exit_code = 6


class DataError(StripwatchError):
    """A data set that cannot be used for training or evaluation, or has what `survey --fail-on` forbids.

    Run `stripwatch train survey` on it, and fix what the message and the survey name.
    """

    exit_code = 7


class ExportRejectedError(StripwatchError):
    """An exported model whose ONNX file does not give the results of the Keras model.

    Export with `--precision fp32`, or raise the limit that the message names if the loss of accuracy is acceptable.
    """

    exit_code = 8


class LineRunError(StripwatchError):
    """A demo or benchmark that lost frames, gave wrong results, or was stopped before it had finished.

    Read the worker output in the message. A benchmark needs a machine without other load.
    """

    exit_code = 9


class WorkerExitError(StripwatchError):
    """One of several worker processes ended unexpectedly. The code is that of the process: 128 + N after signal N.

    See the last log line of that process. 137 (signal 9) often means that the system ran out of memory.

    Args:
        code: The exit code of the process; negative for a signal, as in `subprocess`.
    """

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text, code)  # both arguments, so that the exception can be pickled
        self.exit_code = code if code > 0 else 128 - code

    def __str__(self) -> str:
        return str(self.args[0])


class FencedError(StripwatchError):
    """Another worker of the group uses the same `instance_id`.

    Give each worker its own `instance_id`, or leave it empty so that each claims a free name.
    """

    exit_code = 10


class HangError(StripwatchError):
    """A thread hung during work or shutdown. The process was ended by force; frames in flight are read again.

    See the stacks of all threads in the log. If it started with a new bundle, roll back to the previous one.

    Args:
        exit_code: The code of the error that stopped the worker, if there was one.
    """

    exit_code = 11

    def __init__(self, text: str, exit_code: int = exit_code) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class MemoryShortageError(StripwatchError):
    """There is not enough memory for the frames in flight, and waiting did not help.

    Lower `inflight.frames_max`, `inflight.bytes_max` or `processes`, or add memory.
    """

    exit_code = 12


class RateNotReachedError(StripwatchError):
    """No candidate of `train frontier` reaches the required frame rate on the stated number of cores.

    Add cores, lower the frame rate, or search smaller networks and inputs. The report names the cheapest candidate.
    """

    exit_code = 13


class InterruptedCommandError(StripwatchError):
    """Interrupted by Ctrl-C or SIGINT before the command had finished. The code is 143 after SIGTERM.

    If the message names a command, it continues the interrupted one.

    Args:
        exit_code: 128 plus the number of the signal.
    """

    exit_code = 130

    def __init__(self, text: str, exit_code: int = exit_code) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class RejectReason(DescribedEnum):
    """Reason why a frame could not be inspected. The values are metric labels, so they are few and never change."""

    EMPTY = "empty", "The record has no value."
    UNSUPPORTED_FORMAT = (
        "unsupported_format",
        "The file or pixel format is not supported, or the settings do not allow it.",
    )
    UNSUPPORTED_COLOUR = "unsupported_colour", "The format is supported, but not this colour space or sample format."
    TRUNCATED = "truncated", "The image ends early: bytes are missing."
    DAMAGED = "damaged", "The image file is damaged."
    UNDECODABLE = (
        "undecodable",
        "The decoder cannot read the image, the headers of a raw buffer contradict it, or its record batch is damaged.",
    )
    TOO_MANY_BYTES = "too_many_bytes", "The frame or its record batch exceeds a size limit; its bytes are not kept."
    TOO_MANY_PIXELS = (
        "too_many_pixels",
        "Width times height exceeds `frames.pixels_max`, or a side exceeds the decoder's limit.",
    )
    TOO_SMALL = "too_small", "Width or height is below `frames.side_px_min`."
    UNTRAINED_SIZE = (
        "untrained_size",
        "The model was not trained on frames of this size or scale (`frames.untrained_size`).",
    )
    INFERENCE_FAILED = "inference_failed", "The model failed on this frame or returned scores that are not valid."


class FrameRejected(StripwatchError):  # noqa: N818 - it routes a frame to the rejects topic and ends no command
    """Raised for a frame that cannot be inspected.

    Attributes:
        reason: Reason of the reject.
        detail: Sentence for a person: what exactly is wrong with the frame.
    """

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(reason, detail)  # both arguments, so that the exception can be pickled
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


def run_checks(checks: Iterable[Callable[[], object]]) -> None:
    """Run all checks and raise their errors as one, so that a person can correct everything in one go.

    A single error is raised unchanged. Several become one error of the class of the first, which decides the exit code.
    """
    errors: list[StripwatchError] = []
    for check in checks:
        try:
            check()
        except StripwatchError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise type(errors[0])(f"{len(errors)} problems: {'; '.join(map(str, errors))}") from errors[0]


def plain_message(message: str) -> str:
    """Reword a validation message of pydantic as what the value must be. Messages of our validators are unchanged."""
    message = message.removeprefix("Value error, ")
    for pattern, replacement in _REWORDED:
        message = re.sub(pattern, replacement, message)
    return message
