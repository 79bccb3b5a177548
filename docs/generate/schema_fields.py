"""The fields of a JSON Schema that msgspec makes from a type."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from docs.generate.markdown import code

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SchemaField:
    """One field. path: with the names of the objects around it, such as "defects[].box_px.x". kind: type in words."""

    path: str
    kind: str
    description: str
    required: bool
    default: object = None


def fields_of(definition: Json, definitions: Json, path: str = "") -> Iterator[SchemaField]:
    """Yield each field of an object's schema, nested ones after their parent."""
    for name, field in definition["properties"].items():
        kind, inner, suffix = _kind(field, definitions)
        required = name in definition["required"]
        yield SchemaField(path + name, kind, field["description"], required, field.get("default"))
        if inner:
            yield from fields_of(inner, definitions, f"{path}{name}{suffix}.")


def definitions_of(kind: type) -> tuple[Json, Json]:
    """Return the schema of a type, and those of all types that it contains by name."""
    _, definitions = msgspec.json.schema_components([kind])
    return definitions[kind.__name__], definitions


def _kind(field: Json, definitions: Json) -> tuple[str, Json | None, str]:
    """Return the type as words, the definition of an object inside, and what its path continues with."""
    if "$ref" in field:
        found: Json = definitions[field["$ref"].rpartition("/")[2]]
        return ("object", found, "") if "properties" in found else (_kind(found, definitions)[0], None, "")
    if "anyOf" in field:
        known = [_kind(each, definitions) for each in field["anyOf"]]
        return " or ".join(kind for kind, _, _ in known), known[0][1], known[0][2]
    if "const" in field:
        return code(field["const"]), None, ""
    if "enum" in field:
        return _choices(field["enum"]), None, ""
    if field["type"] == "array":
        return _array(field, definitions)
    if isinstance(field.get("additionalProperties"), dict):
        kind, inner, _ = _kind(field["additionalProperties"], definitions)
        return f"object: name to {kind}", inner, ".NAME"
    encoding = f", {field['contentEncoding']}" if "contentEncoding" in field else ""
    return str(field["type"]) + encoding, None, ""


def _choices(values: list[object]) -> str:
    words = ", ".join(code(value) for value in values if value is not None)
    return f"{words} or null" if None in values else words


def _array(field: Json, definitions: Json) -> tuple[str, Json | None, str]:
    if "prefixItems" in field:
        return f"array of {len(field['prefixItems'])} {field['prefixItems'][0]['type']}s", None, ""
    kind, inner, _ = _kind(field["items"], definitions)
    return f"array of {kind}", inner, "[]"
