"""Findings: what is wrong, or unusual, in a data set, in which files, and what to do."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stripwatch.training.preparation.finding_kinds import KINDS, Level

_NAMED_MAX = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a person should know about a data set.

    Attributes:
        level: error: `fit` refuses the data. warning: `fit` repeats it. note: only the survey reports it.
        code: Kind of the finding, a key of KINDS.
        text: Sentence that says what is wrong, names the first files, and says what to do.
        files: Names of all images concerned.
        pairs: Names of images that belong together, such as duplicates.
    """

    level: Level
    code: str
    text: str
    files: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()

    @property
    def line(self) -> str:
        """Return the finding as commands print it."""
        return f"{self.level}: {self.text} [{self.code}]"


def make_finding(
    code: str, what: str, files: Iterable[str] = (), pairs: Iterable[tuple[str, str]] = (), remedy: str | None = None
) -> Finding:
    """Return a finding of a kind. what: what is wrong, without what to do. remedy: instead of that of the kind."""
    kind = KINDS[code]
    advice = (kind.remedy if remedy is None else remedy).replace("`", "").removesuffix(".")
    advice = advice[:1].lower() + advice[1:]
    pairs = tuple(pairs)
    named = dict.fromkeys([*files, *(name for pair in pairs for name in pair)])
    return Finding(kind.level, code, f"{what}; {advice}" if advice else what, tuple(named), pairs)


def some(items: Sequence[str], of: int | None = None) -> str:
    """Return the first few items and the number of further ones, such as "a, b, c and 5 more"."""
    more = (len(items) if of is None else of) - min(len(items), _NAMED_MAX)
    return ", ".join(items[:_NAMED_MAX]) + (f" and {more:,} more" if more > 0 else "")


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun, such as "1 image" or "2,000 images"."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
