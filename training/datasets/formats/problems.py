"""Collects the problems of all files of a data set, so that a person can correct them in one go."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from stripwatch.worker.common.errors import DataError

_NAMED_MAX = 5


class ProblemsError(DataError):
    """Several problems of a file or folder. Correct all of them.

    Attributes:
        problems: One sentence for each problem; the message has only the first ones.
    """

    def __init__(self, text: str, problems: Sequence[str]) -> None:
        super().__init__(text, problems)  # both arguments, so that the exception can be pickled
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(slots=True)
class Problems:
    """The problems of a file or folder. Each is a sentence that names the file or line."""

    source: str
    found: list[str] = field(default_factory=list)

    def add(self, problem: str) -> None:
        """Note a problem."""
        self.found.append(problem)

    def check(self) -> None:
        """Raise DataError with the first problems and their number, if there are any."""
        if len(self.found) == 1:
            raise DataError(self.found[0])
        if self.found:
            more = len(self.found) - _NAMED_MAX
            named = "; ".join(self.found[:_NAMED_MAX]) + (f"; and {more} more" if more > 0 else "")
            raise ProblemsError(f"{len(self.found)} problems in {self.source}: {named}", self.found)


def nearest_text(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'pits'?" for a name that is not known, or an empty text if none is similar."""
    by_folded = {each.strip().casefold(): each for each in known}
    close = difflib.get_close_matches(name.strip().casefold(), by_folded, n=1)
    return f"; did you mean {by_folded[close[0]]!r}?" if close else ""
