"""A row of the results: one variant of a step, with its figures or the reason why it has none."""

import json
import sys
from collections.abc import Mapping
from typing import TypedDict

Figure = float | str | None


class Row(TypedDict):
    """what: the variant. figures: by name, each in unit unless its name says another. note: why there is none."""

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
    """Hand a row to `tests.gpu.measure`, which reads stdout line by line."""
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()
