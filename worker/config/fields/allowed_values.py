"""Description of the values that a setting accepts, for error messages."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, TypeAdapter

from stripwatch.worker.config.fields.field_paths import SettingPath

_CHARACTERS = {r"^[A-Za-z0-9._-]*$": "letters, digits, '.', '_' and '-'"}


def allowed_values(setting: SettingPath) -> str:
    """Describe the allowed values of a setting as the object of "must be", such as "an integer from 1 to 64"."""
    schema = _schema(setting)
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    return ", or ".join(_kind(kind) for kind in kinds)


def _schema(setting: SettingPath) -> Mapping[str, Any]:
    if setting.is_table:
        return {"type": "object"}
    field = setting.model.model_fields[setting.field]
    if field.annotation is not setting.annotation:  # an entry of a table
        return TypeAdapter(setting.annotation).json_schema()
    schema: Mapping[str, Any] = _properties(setting.model)[setting.field]
    return schema


@cache
def _properties(model: type[BaseModel]) -> Mapping[str, Any]:
    properties: Mapping[str, Any] = model.model_json_schema()["properties"]
    return properties


def _kind(kind: Mapping[str, Any]) -> str:
    if "const" in kind:
        return repr(kind["const"])
    if "enum" in kind:
        *most, last = map(repr, kind["enum"])
        return f"{', '.join(most)} or {last}" if most else last
    name = kind.get("type")
    if name == "boolean":
        return "true or false"
    if name in ("integer", "number"):
        return f"{'an integer' if name == 'integer' else 'a number'}{_range(kind)}"
    if name == "array":
        return f"a list of which each entry is {_kind(kind.get('items', {}))}"
    if name == "object":
        return "a table of settings"
    return _text(kind) if name == "string" else "a value of another type"


def _text(kind: Mapping[str, Any]) -> str:
    if kind.get("format") == "path":
        return "a path"
    most = f" of at most {kind['maxLength']} characters" if "maxLength" in kind else ""
    characters = _CHARACTERS.get(kind.get("pattern", ""))
    only = f" that contains only {characters}" if characters else ""
    return f"a string{most}{only}" + (" that is not empty" if kind.get("minLength") and not only else "")


def _range(kind: Mapping[str, Any]) -> str:
    least, above, most = kind.get("minimum"), kind.get("exclusiveMinimum"), kind.get("maximum")
    if least is not None and most is not None:
        return f" from {_number(least)} to {_number(most)}"
    limits = {"above": above, "of at least": least, "of at most" if above is None else "and at most": most}
    return "".join(f" {word} {_number(limit)}" for word, limit in limits.items() if limit is not None)


def _number(value: float) -> str:
    return f"{value:.10g}"
