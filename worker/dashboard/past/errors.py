"""Why a search of the history gave no answer. The texts are shown on the page."""

from typing import ClassVar


class HistoryError(Exception):
    """Base class. The text is one sentence for a person.

    status: HTTP status of the response. reason: label of the metric of failed searches, one of SEARCH_FAILURES; empty
    if the search has not failed.
    """

    status: ClassVar[int] = 500
    reason: ClassVar[str] = "error"


class CancelledError(HistoryError):
    """Nobody waits for the search any more, or the server stops."""

    status, reason = 503, ""


class NotOnKafkaError(HistoryError):
    """A coil that is not, or no longer, on Kafka."""

    status, reason = 404, ""


class QueryError(HistoryError):
    """A search with an invalid or missing parameter."""

    status, reason = 400, ""


class KafkaError(HistoryError):
    """Kafka cannot be reached, or stopped responding."""

    status, reason = 503, "kafka"


class TooLongError(HistoryError):
    """The time limit of a search is over."""

    status, reason = 504, "timeout"


class BusyError(HistoryError):
    """Too many searches wait for their turn."""

    status, reason = 503, "busy"
