"""Row of the results: one variant of a step, with its figures or the reason why it was not measured."""

import json
import sys
from collections.abc import Mapping
from typing import TypedDict

Figure = float | str | None


class Row(TypedDict):
    """A row. what: the variant. figures: by name, in `unit` unless the name states another. note: remark or reason."""

    what: str
    unit: str
    figures: dict[str, Figure]
    note: str


def measured(what: str, unit: str, figures: Mapping[str, Figure], note: str = "") -> Row:
    rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()}
    return Row(what=what, unit=unit, figures=rounded, note=note)


def not_measured(what: str, why: str) -> Row:
    return Row(what=what, unit="", figures={}, note=f"not measured: {why}")


def emit(row: Row) -> None:
    """Print a row for `tests.gpu.measure`, which reads stdout line by line."""
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()
