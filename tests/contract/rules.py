"""Compatibility rule: fields may be added to an event, but never changed or removed."""

from typing import Any

Json = dict[str, Any]
_TEXTS = {"description", "title", "$schema", "$defs"}


def broken(old: Json, new: Json) -> list[str]:
    """Return the changes in a new JSON Schema that break readers of the old one."""
    return _compare(old, new, old, new, "event")


def _compare(old: Json, new: Json, old_root: Json, new_root: Json, path: str) -> list[str]:
    old, new = _resolved(old, old_root), _resolved(new, new_root)
    found = [
        f"{path}: {key} changed from {old.get(key)!r} to {new.get(key)!r}"
        for key in sorted((old.keys() | new.keys()) - _TEXTS - {"properties", "required", "anyOf", "items"})
        if not isinstance(old.get(key), dict) and old.get(key) != new.get(key)
    ]
    missing = set(old.get("required", ())) - set(new.get("required", ()))
    found += [f"{path}.{name} is no longer required" for name in sorted(missing & set(new.get("properties", ())))]
    for name, field in old.get("properties", {}).items():
        if name in new.get("properties", {}):
            found += _compare(field, new["properties"][name], old_root, new_root, f"{path}.{name}")
        else:
            found.append(f"{path}.{name} was removed")
    for key in ("items", "additionalProperties"):
        if isinstance(old.get(key), dict):
            found += _compare(old[key], new.get(key) or {}, old_root, new_root, f"{path}[]")
    before, after = old.get("anyOf", []), new.get("anyOf", [])
    if len(before) != len(after):
        return [*found, f"{path} changed from {len(before)} alternatives to {len(after)}"]
    for one, other in zip(before, after, strict=True):
        found += _compare(one, other, old_root, new_root, path)
    return found


def _resolved(schema: Json, root: Json) -> Json:
    """Resolve a reference within the document, and merge the keys next to it."""
    if "$ref" not in schema:
        return schema
    named: Json = root["$defs"][schema["$ref"].rpartition("/")[2]]
    return {key: value for key, value in schema.items() if key != "$ref"} | named
