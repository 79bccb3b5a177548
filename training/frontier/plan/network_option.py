"""Networks of a search, as given on the command line."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from stripwatch.worker.common.errors import SettingsError

_KEYS = ("alpha", "weights", "cut")
_NEXT = re.compile(rf",(?=(?:{'|'.join(_KEYS)})=)")  # a file name may contain a comma
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_EXAMPLE = "such as mobilenet:alpha=0.25,weights=FILE"


@dataclass(frozen=True, slots=True)
class NetworkChoice:
    """A network to search.

    name: unique, for tables and folders. network: as for `fit --network`. alpha: width multiplier. weights: "imagenet"
    or a weights file. cut: the last layer up to which the weights reach; "" for the whole network.
    """

    name: str
    network: str
    alpha: float = 1.0
    weights: str = "imagenet"
    cut: str = ""

    @property
    def flags(self) -> list[str]:
        """Return the options of `fit` for this network as given."""
        words = ["--network", self.network, "--alpha", f"{self.alpha:g}", "--weights", self.weights]
        return [*words, "--cut", self.cut] if self.cut else words


def parse_networks(texts: Sequence[str]) -> list[NetworkChoice]:
    """Parse the values of --network, each "[NAME=]NETWORK[:KEY=VALUE,...]" with the keys alpha, weights and cut.

    Raises SettingsError, with all problems, for an invalid value and for names that occur twice.
    """
    choices: list[NetworkChoice] = []
    problems: list[str] = []
    for text in texts:
        try:
            choices.append(_parse(text))
        except ValueError as error:
            problems.append(f"--network {text!r}: {error}")
    names = Counter(choice.name for choice in choices)
    problems += [
        f"--network: {name!r} is given {count} times; use NAME=NETWORK to give them different names"
        for name, count in names.items()
        if count > 1
    ]
    if problems:
        raise SettingsError("; ".join(problems))
    return choices


def _parse(text: str) -> NetworkChoice:
    head, _, rest = text.partition(":")
    name, _, network = head.strip().partition("=")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a valid name; use letters, digits, '-', '_' and '.'")
    given: dict[str, str] = {}
    for pair in _NEXT.split(rest) if rest else ():
        key, equals, value = pair.partition("=")
        if key not in _KEYS or not equals or not value:
            raise ValueError(f"{pair!r} is not KEY=VALUE with one of the keys {', '.join(_KEYS)}, {_EXAMPLE}")
        if key in given:
            raise ValueError(f"{key} is given twice")
        given[key] = value
    weights = given.get("weights", "imagenet")
    if weights == "none":
        raise ValueError("random weights have no features to compare; pass a weights file or imagenet")
    return NetworkChoice(name, network or name, _number(given.get("alpha", "1")), weights, given.get("cut", ""))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"alpha={text} is not a number, such as 0.25") from None
