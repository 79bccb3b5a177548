"""Every error this project raises on purpose, and the exit code it ends a command with.

StripwatchError
  SettingsError           a wrong flag, key or value                           -> exit 2
  BundleError             a model file that cannot be run                      -> exit 3
  BrokerUnavailableError  Kafka cannot be reached, or is away for too long     -> exit 4
  InferenceError          the inference session failed                         -> exit 5
  InputError              a file or folder that is missing or in the way       -> exit 6
  DataError               a training set that cannot be learned from           -> exit 7
  ExportRejectedError     a model whose ONNX file does not agree with it       -> exit 8
  LineRunError            a line run to show or to measure lost frames         -> exit 9
  FencedError             another worker has taken this one's instance_id      -> exit 10
  HangError               a thread does not come back, so the process is ended -> exit 11
  MemoryShortageError     memory is short, also after a while              -> exit 12
  WorkerExitError         one of several workers ended against its will        -> its own code
  FrameRejected           one bad frame goes to the reject topic; the worker continues
"""

from enum import StrEnum


class StripwatchError(Exception):
    """Base of all: the text is one sentence for a person, and names the file, field or setting."""

    exit_code = 1


class SettingsError(StripwatchError):
    """A wrong flag, key or value."""

    exit_code = 2


class BundleError(StripwatchError):
    """A model file that is not fit to run."""

    exit_code = 3


class BrokerUnavailableError(StripwatchError):
    """Kafka cannot be reached, or has been away for too long."""

    exit_code = 4


class InferenceError(StripwatchError):
    """The inference session failed."""

    exit_code = 5


class InputError(StripwatchError):
    """A file, folder or record that is missing, in the way, or not what it should be."""

    exit_code = 6


class DataError(StripwatchError):
    """A training set that nothing can be learned from."""

    exit_code = 7


class ExportRejectedError(StripwatchError):
    """A model whose ONNX file does not agree with it."""

    exit_code = 8


class LineRunError(StripwatchError):
    """A line that was run to show or to measure lost frames."""

    exit_code = 9


class WorkerExitError(StripwatchError):
    """code: the exit code that the worker ended with; a signal's number is negative, as subprocess says it."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text, code)  # both, or it could not be sent to another process
        self.exit_code = code if code > 0 else 128 - code

    def __str__(self) -> str:
        return str(self.args[0])


class FencedError(StripwatchError):
    """Another worker has taken this one's instance_id."""

    exit_code = 10


class HangError(StripwatchError):
    """A thread that does not come back, during the work or at a stop. The process is ended by force.

    exit_code: that of the error which stopped the worker, where there was one.
    """

    exit_code = 11

    def __init__(self, text: str, exit_code: int = exit_code) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class MemoryShortageError(StripwatchError):
    """There is not enough memory for the frames in flight, also after a while."""

    exit_code = 12


class RejectReason(StrEnum):
    """Why a frame could not be inspected. The values are labels of a metric: few, and never changed."""

    EMPTY = "empty"
    UNSUPPORTED_FORMAT = "unsupported_format"
    UNSUPPORTED_COLOUR = "unsupported_colour"
    TRUNCATED = "truncated"
    DAMAGED = "damaged"
    UNDECODABLE = "undecodable"
    TOO_MANY_BYTES = "too_many_bytes"
    TOO_MANY_PIXELS = "too_many_pixels"
    TOO_SMALL = "too_small"
    UNTRAINED_SIZE = "untrained_size"
    INFERENCE_FAILED = "inference_failed"


class FrameRejected(StripwatchError):  # noqa: N818 - it steers a frame to its topic, and ends nothing
    """One frame that cannot be inspected, with the reason and a sentence of detail."""

    def __init__(self, reason: RejectReason, detail: str) -> None:
        super().__init__(reason, detail)  # both, or it could not be sent to another process
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"
