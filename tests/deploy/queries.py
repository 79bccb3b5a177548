"""Extracts the metrics and labels used in queries of boards and rules."""

import re
from dataclasses import dataclass

_STRING = re.compile(r'"[^"]*"')
_SELECTOR = re.compile(r"\{([^}]*)\}")
_BY = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_RANGE = re.compile(r"\[[^\]]*\]")
_LABEL_ADDED = re.compile(r'"(\w+)",\s*"\$1"')
_NUMBER = re.compile(r"\b\d[\w.]*")
_NOT_A_FUNCTION = re.compile(r"[a-zA-Z_:][\w:]*(?![\w:]*\s*\()")
_METRICS_BY_NAME = re.compile(r'__name__=~"([^"]*)"')
_WORDS = {"and", "or", "unless", "bool", "offset", "by", "on", "ignoring", "group_left", "group_right", "without"}


@dataclass(frozen=True, slots=True)
class Names:
    metrics: set[str]
    labels: set[str]


def names_of(expr: str) -> Names:
    """Find the metrics and labels of a PromQL expression. It is not a full parser, but enough for these queries."""
    labels = {
        label.strip()
        for clause in [*_BY.findall(expr), *(_label_names(selector) for selector in _SELECTOR.findall(expr))]
        for label in clause.split(",")
        if label.strip()
    }
    metrics = {name for pattern in _METRICS_BY_NAME.findall(expr) for name in _expand(pattern)}
    bare = expr
    for part in (_STRING, _SELECTOR, _BY, _RANGE, _NUMBER):
        bare = part.sub(" ", bare)
    metrics |= {name for name in _NOT_A_FUNCTION.findall(bare) if name not in _WORDS}
    return Names(metrics, labels - {"__name__"})


def labels_added(expr: str) -> set[str]:
    """Return the labels created by label_replace."""
    return set(_LABEL_ADDED.findall(expr))


def _label_names(selector: str) -> str:
    return ",".join(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", _STRING.sub("", selector)))


def _expand(pattern: str) -> list[str]:
    """Expand a name pattern such as `a_(b|c)_d` into its names."""
    head, _, rest = pattern.partition("(")
    choices, _, tail = rest.partition(")")
    return [head + choice + tail for choice in choices.split("|")]
