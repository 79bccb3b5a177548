"""Error messages for invalid settings: what is wrong, where, and what to write instead."""

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from stripwatch.worker.common.errors import plain_message
from stripwatch.worker.config.fields.allowed_values import allowed_values
from stripwatch.worker.config.fields.field_paths import SettingPath, choices_of, follow
from stripwatch.worker.config.origins import Sources, option_name
from stripwatch.worker.config.settings import ENV_PREFIX, SECTIONS, Settings

_TABLES = {key.split(".")[0]: key for key in SECTIONS}  # first key of a section to its name: "cameras": "cameras.ID"
_OWN_RULES = ("value_error", "assertion_error")  # types of the errors that validators of the settings raise
_SHOWN_CHARACTERS_MAX = 80
_NAMED = {"environment": "environment variable ", "option": "option ", "file": ""}


def variable_problems(variables: Mapping[str, str]) -> dict[str, str]:
    """Describe the environment variables that pydantic-settings ignores or does not explain, by their names.

    variables: as `renames.own_variables` returns them.
    """
    known = [variable_of(name) for name in Settings.model_fields]
    problems = {}
    for name, value in variables.items():
        upper = name.upper()
        if upper.split("__")[0] not in known:
            keys = [variable_of(key) for key in known_keys() if not key.startswith(("cameras.", "thresholds."))]
            problems[name] = f"unknown environment variable {upper}{nearest(upper, keys)}"
        section = upper.removeprefix(ENV_PREFIX).lower()
        if section in _TABLES and not _is_json_object(value):
            problems[name] = f"environment variable {upper} must be a JSON object{_member_for(section, value)}"
    return problems


def problems_of(error: ValidationError, sources: Sources) -> list[str]:
    """Describe each mistake once, with its origin, key and allowed values, and suggest a known key for an unknown one.

    The kinds of value that pydantic tried, and its names for them, are not part of a description.
    """
    described: dict[str, str] = {}
    for each in error.errors():
        key, problem = _describe(each["loc"], each["type"], each["msg"], each["input"], sources)
        described.setdefault(key, problem)
    return list(described.values())


def _describe(
    location: tuple[str | int, ...], kind: str, message: str, value: Any, sources: Sources
) -> tuple[str, str]:
    """Return the key of a mistake, and its description."""
    keys = tuple(map(str, location))
    if kind == "extra_forbidden":
        return ".".join(keys), f"{_origin(sources, keys)}unknown setting {'.'.join(keys)!r}{_instead(keys)}"
    setting = follow(Settings, keys)
    if setting is None:  # the error concerns several settings, and its text names them
        return "", plain_message(message)
    key = ".".join(setting.path)
    if kind == "missing":
        return key, f"{_origin(sources, setting.path[:-1])}setting {key!r} is missing"
    origin = _origin(sources, setting.path, shared=setting.is_table and kind in _OWN_RULES)
    rule = f"{_rule(setting, kind, message)}{_shown(setting, value)}"
    return key, f"{origin}setting {key!r}{rule}{_flag(sources, setting)}"


def _rule(setting: SettingPath, kind: str, message: str) -> str:
    """Describe the rule that a value breaks. It follows the key of the setting."""
    if kind in _OWN_RULES:
        message = plain_message(message)
        return f" {message}" if message.startswith("must ") else f": {message}"
    if setting.is_table:
        return " is a table of settings; set its keys instead of a value"
    return f" must be {allowed_values(setting)}"


def _shown(setting: SettingPath, value: Any) -> str:
    """Return the wrong value for the message, and the choice that was probably meant."""
    if setting.is_table or setting.path[0] == "security":  # it may contain a password
        return ""
    written = repr(value)
    if len(written) > _SHOWN_CHARACTERS_MAX:
        written = f"{written[:_SHOWN_CHARACTERS_MAX]}…"
    choices = [choice for choice in choices_of(setting.annotation) if isinstance(choice, str)]
    close = difflib.get_close_matches(str(value).lower(), choices, n=1, cutoff=0.7)
    return f" (got {written}{f'; did you mean {close[0]!r}?' if close else ''})"


def _origin(sources: Sources, keys: tuple[str, ...], shared: bool = False) -> str:
    """Return the beginning of a message: the line, variable or option with the mistake; empty if it is in none.

    shared: the mistake concerns several values of a table.
    """
    origin = sources.shared_origin(keys) if shared else sources.origin(keys)
    if origin.kind == "default" or (origin.kind == "file" and sources.config is None):
        return ""
    return f"{_NAMED[origin.kind]}{origin.name}: "


def _flag(sources: Sources, setting: SettingPath) -> str:
    """Name the option that overrides a value of the file. Other origins are options, or name the variable."""
    if setting.is_table or sources.config is None or sources.origin(setting.path).kind != "file":
        return ""
    return f"; option {option_name(setting.path)}"


def _instead(parts: Sequence[str]) -> str:
    *outer, name = parts
    if not outer:
        if "." in name and name.lower() in known_keys():  # in a quoted TOML key, the dot is part of the name
            return f"; write it without quotes: {name.lower()}"
        return nearest(name, known_keys())
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
    return f"; set {variable_of(f'{section}.{(taking or list(fields))[0]}')} instead"


def _takes(model: type[BaseModel], name: str, value: str) -> bool:
    """Return whether the field accepts the value, ignoring errors about other fields that are missing."""
    try:
        model.model_validate({name: value})
    except ValidationError as error:
        return not any(each["loc"] for each in error.errors())
    return True


def variable_of(key: str) -> str:
    """Return the environment variable of a setting."""
    return ENV_PREFIX + key.replace(".", "__").upper()


def known_keys() -> list[str]:
    """Return the keys of all settings and sections, with ID and LABEL for the names of cameras and labels."""
    keys = list(Settings.model_fields)
    for section, model in SECTIONS.items():
        keys += [f"{section}.{name}" for name in model.model_fields]
    return keys


def nearest(name: str, known: Iterable[str]) -> str:
    """Suggest the closest known name; empty if none is close."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
