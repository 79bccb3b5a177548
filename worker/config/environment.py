"""Read settings from environment variables: STRIPWATCH_METRICS__PORT becomes {"metrics": {"port": ...}}."""

import json
from collections.abc import Mapping
from typing import Any

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.config.overrides import merge
from stripwatch.worker.config.settings import ENV_PREFIX, LABEL_TABLES, SECTIONS, Settings

_BY_NAME = {key.partition(".")[0] for key in SECTIONS if "." in key}  # cameras and thresholds
_WHOLE_PATHS = {(key,) for key in SECTIONS} | LABEL_TABLES
_LEVEL = "__"


def environment_values(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings in environment variables as one nested mapping. Raises SettingsError.

    Setting keys may be written in any case. Names of cameras and labels are case-sensitive: `TOP-1` is not `top-1`.
    A variable for a single setting overrides a variable that holds a whole section as a JSON object.
    """
    seen: dict[tuple[str, ...], str] = {}
    sections: list[tuple[int, dict[str, Any]]] = []
    single: list[tuple[int, dict[str, Any]]] = []
    for name, value in variables.items():
        path = _path(name, value)
        if path[0] not in Settings.model_fields:
            continue  # the loader reports it
        if path in seen:
            raise SettingsError(f"environment variables {seen[path]} and {name} set the same setting; remove one")
        seen[path] = name
        whole = _json_object(value) if path[0] in _BY_NAME or path in _WHOLE_PATHS else None
        nested: Any = value if whole is None else whole
        for key in reversed(path):
            nested = {key: nested}
        (single if whole is None else sections).append((len(path), nested))
    sections.sort(key=lambda each: each[0])
    return merge(*(nested for _, nested in [*sections, *single]))


def variable_names(variables: Mapping[str, str]) -> dict[tuple[str, ...], str]:
    """Return the name of the variable that sets each setting or section, by its keys."""
    return {_path(name, value): name for name, value in variables.items()}


def _path(name: str, value: str) -> tuple[str, ...]:
    """Return the keys that lead to a setting. The name of a camera or label may itself contain two underscores."""
    setting, *rest = name[len(ENV_PREFIX) :].split(_LEVEL)
    for table in LABEL_TABLES:
        depth = len(table)
        if (setting.lower(), *(key.lower() for key in rest))[:depth] == table and len(rest) >= depth:
            return *table, _LEVEL.join(rest[depth - 1 :])
    if setting.lower() not in _BY_NAME:
        return setting.lower(), *(key.lower() for key in rest)
    if len(rest) < 2 or _json_object(value) is not None:
        return (setting.lower(), _LEVEL.join(rest)) if rest else (setting.lower(),)
    return setting.lower(), _LEVEL.join(rest[:-1]), rest[-1].lower()


def _json_object(value: str) -> dict[str, Any] | None:
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None
