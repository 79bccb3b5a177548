"""What a query of a board or a rule names: metrics and labels."""

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
    """Of a PromQL expression. Not a parser; enough for the queries of this project, and Prometheus parses them too."""
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
    """By label_replace."""
    return set(_LABEL_ADDED.findall(expr))


def _label_names(selector: str) -> str:
    return ",".join(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", _STRING.sub("", selector)))


def _expand(pattern: str) -> list[str]:
    """`a_(b|c)_d` as its two names."""
    head, _, rest = pattern.partition("(")
    choices, _, tail = rest.partition(")")
    return [head + choice + tail for choice in choices.split("|")]
