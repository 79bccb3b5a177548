"""Collects the problems of all files of a data set, so that a person can correct them in one go."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field

from stripwatch.worker.common.errors import DataError

_NAMED_MAX = 5


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
            raise DataError(f"{len(self.found)} problems in {self.source}: {named}")


def nearest_text(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'pits'?" for a name that is not known, or an empty text if none is similar."""
    by_folded = {each.strip().casefold(): each for each in known}
    close = difflib.get_close_matches(name.strip().casefold(), by_folded, n=1)
    return f"; did you mean {by_folded[close[0]]!r}?" if close else ""
