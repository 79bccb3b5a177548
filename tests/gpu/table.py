"""Markdown table of the results of a GPU run."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.gpu.rows import Figure, Row


def markdown(records: Sequence[Mapping[str, Any]], planned: Sequence[str], machine: Mapping[str, str]) -> str:
    """Return the table. records: results of the steps. planned: names of all steps, in order; others come last."""
    head = "".join(f"{name}: {text}  \n" for name, text in machine.items())
    lines = ["| step | what | figures | note |", "| --- | --- | --- | --- |"]
    order = {name: number for number, name in enumerate(planned)}
    for record in sorted(records, key=lambda record: order.get(record["step"], len(order))):
        rows = [_line(record["step"], row) for row in record["rows"]]
        error = f"failed: {record['error']}" if record["error"] else ""
        lines += rows
        if error or not rows:
            lines.append(_cells(record["step"], "-", "-", error or "no rows"))
    ran = {record["step"] for record in records}
    left = [name for name in planned if name not in ran]
    foot = f"\nNot run: {', '.join(left)}.\n" if left else ""
    return f"{head}\n" + "\n".join(lines) + "\n" + foot


def _line(step: str, row: Row) -> str:
    figures = "; ".join(f"{name} {_figure(value)}" for name, value in row["figures"].items())
    return _cells(step, row["what"], f"{figures} {row['unit']}".strip() or "-", row["note"])


def _figure(value: Figure) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
    return "-" if value is None else str(value)


def _cells(*texts: str) -> str:
    """Return a row of the table, without bars and line breaks in its cells."""
    return "| " + " | ".join(" ".join(text.replace("|", "/").split()) for text in texts) + " |"
