"""The rule of compatibility: fields are added to an event, never changed or taken away."""

from typing import Any

Json = dict[str, Any]
_TEXTS = {"description", "title", "$schema", "$defs"}


def broken(old: Json, new: Json) -> list[str]:
    """Where a reader of the old JSON Schema cannot rely on what it says of events by the new one."""
    return _compare(old, new, old, new, "event")


def _compare(old: Json, new: Json, old_root: Json, new_root: Json, path: str) -> list[str]:
    old, new = _resolved(old, old_root), _resolved(new, new_root)
    found = [
        f"{path}: {key} was {old.get(key)!r}, is {new.get(key)!r}"
        for key in sorted((old.keys() | new.keys()) - _TEXTS - {"properties", "required", "anyOf", "items"})
        if not isinstance(old.get(key), dict) and old.get(key) != new.get(key)
    ]
    missing = set(old.get("required", ())) - set(new.get("required", ()))
    found += [f"{path}.{name} may be absent now" for name in sorted(missing & set(new.get("properties", ())))]
    for name, field in old.get("properties", {}).items():
        if name in new.get("properties", {}):
            found += _compare(field, new["properties"][name], old_root, new_root, f"{path}.{name}")
        else:
            found.append(f"{path}.{name} is gone")
    for key in ("items", "additionalProperties"):
        if isinstance(old.get(key), dict):
            found += _compare(old[key], new.get(key) or {}, old_root, new_root, f"{path}[]")
    before, after = old.get("anyOf", []), new.get("anyOf", [])
    if len(before) != len(after):
        return [*found, f"{path} was one of {len(before)} kinds, is one of {len(after)}"]
    for one, other in zip(before, after, strict=True):
        found += _compare(one, other, old_root, new_root, path)
    return found


def _resolved(schema: Json, root: Json) -> Json:
    """A reference replaced by what it names in the same document, with the keys beside it."""
    if "$ref" not in schema:
        return schema
    named: Json = root["$defs"][schema["$ref"].rpartition("/")[2]]
    return {key: value for key, value in schema.items() if key != "$ref"} | named
