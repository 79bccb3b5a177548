"""The page of all settings."""

from typing import Any

from stripwatch.worker.config.settings import SECTIONS, Settings

_HEAD = """# Settings

Each setting of `stripwatch run` with its default value and its meaning.

| setting | default | meaning |
|---|---|---|
"""


def settings_page() -> str:
    return _HEAD + "\n".join(_rows()) + "\n"


def _rows() -> list[str]:
    rows: list[str] = []
    for name, field in Settings.model_fields.items():
        section = next((section for section in SECTIONS if section.split(".")[0] == name), None)
        if section:
            rows += [_row(f"{section}.{inner}", field) for inner, field in SECTIONS[section].model_fields.items()]
        else:
            rows.append(_row(name, field))
    return rows


def _row(name: str, field: Any) -> str:
    default = "required" if field.is_required() else "" if field.default is None else f"`{field.default}`"
    return f"| `{name}` | {default} | {field.description} |"
