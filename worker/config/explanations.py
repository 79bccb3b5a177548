"""Error messages for invalid settings: what is wrong, and what to write instead."""

import difflib
import json
from collections.abc import Iterable, Mapping

from pydantic import BaseModel, ValidationError

from stripwatch.worker.common.errors import SettingsError, plain_message
from stripwatch.worker.config.settings import ENV_PREFIX, LABEL_TABLES, SECTIONS, Settings

_TABLES = {key.split(".")[0]: key for key in SECTIONS}  # first key of a section to its name: "cameras": "cameras.ID"


def check_variables(variables: Mapping[str, str]) -> None:
    """Raise SettingsError for environment variables that pydantic-settings ignores or does not explain.

    variables: as `renames.own_variables` returns them.
    """
    known = [_variable(name) for name in Settings.model_fields]
    for name, value in variables.items():
        upper = name.upper()
        if upper.split("__")[0] not in known:
            keys = [_variable(key) for key in _known_keys() if not key.startswith(("cameras.", "thresholds."))]
            raise SettingsError(f"unknown environment variable {upper}{_nearest(upper, keys)}")
        section = upper.removeprefix(ENV_PREFIX).lower()
        if section in _TABLES and not _is_json_object(value):
            raise SettingsError(f"environment variable {upper} must be a JSON object{_member_for(section, value)}")


def sentence_of(error: ValidationError) -> str:
    """Describe the first error with its key, and suggest the closest known key if the key is unknown."""
    first = error.errors()[0]
    if first["type"] == "extra_forbidden":
        parts = [str(part) for part in first["loc"]]
        return f"unknown setting {'.'.join(parts)!r}{_instead(parts)}"
    message = plain_message(first["msg"])
    if not first["loc"]:  # the error concerns several settings, and its text names them
        return message
    key = _key(first["loc"])
    if first["type"] == "missing":
        return f"setting {key!r} is missing"
    if first["type"] == "model_type":
        return f"setting {key!r} is a table of settings; set its keys instead of a value"
    others = [plain_message(each["msg"]) for each in error.errors()[1:] if _key(each["loc"]) == key]
    message = ", or ".join([message, *(other.removeprefix("must be ") for other in others)])
    hidden = first["loc"][:1] == ("security",) or isinstance(first["input"], Mapping)  # it may contain a password
    shown = "" if hidden else f" (got {first['input']!r})"
    return f"setting {key!r}{'' if message.startswith('must ') else ':'} {message}{shown}"


def _key(location: tuple[str | int, ...]) -> str:
    """Return the key at a location, without the type that pydantic appends if a setting accepts several types."""
    table = _TABLES.get(str(location[0]))
    depth = table.count(".") + 2 if table else 1
    if any(location[: len(labels)] == labels for labels in LABEL_TABLES):
        depth += 1
    return ".".join(str(part) for part in location[:depth])


def _instead(parts: list[str]) -> str:
    *outer, name = parts
    if not outer:
        if "." in name and name.lower() in _known_keys():  # in a quoted TOML key, the dot is part of the name
            return f"; write it without quotes: {name.lower()}"
        return _nearest(name, _known_keys())
    table = _TABLES[outer[0]]
    names = list(SECTIONS[table].model_fields)
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    return f"; did you mean '{table}.{close[0]}'?" if close else f"; the keys of {table} are {', '.join(names)}"


def _is_json_object(value: str) -> bool:
    try:
        return isinstance(json.loads(value), dict)
    except (ValueError, RecursionError):
        return False


def _member_for(section: str, value: str) -> str:
    """Suggest the variable for a value that was given to the whole section."""
    fields = SECTIONS[_TABLES[section]].model_fields
    if _TABLES[section] != section or not fields:  # the next key is the name of a camera or label, not known here
        return ""
    taking = [name for name in fields if _takes(SECTIONS[section], name, value)]
    taking.sort(key=lambda name: fields[name].annotation is str)  # last, because a string field accepts any value
    return f"; set {_variable(f'{section}.{(taking or list(fields))[0]}')} instead"


def _takes(model: type[BaseModel], name: str, value: str) -> bool:
    """Return whether the field accepts the value, ignoring errors about other fields that are missing."""
    try:
        model.model_validate({name: value})
    except ValidationError as error:
        return not any(each["loc"] for each in error.errors())
    return True


def _variable(key: str) -> str:
    return ENV_PREFIX + key.replace(".", "__").upper()


def _known_keys() -> list[str]:
    keys = list(Settings.model_fields)
    for section, model in SECTIONS.items():
        keys += [f"{section}.{name}" for name in model.model_fields]
    return keys


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
