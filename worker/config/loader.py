"""Load settings from a TOML file, the environment and flags."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.config.environment import environment_values
from stripwatch.worker.config.explanations import check_variables, sentence_of
from stripwatch.worker.config.overrides import merge
from stripwatch.worker.config.renames import own_variables, reject_old_keys
from stripwatch.worker.config.settings import ENVIRONMENT, FILE, Settings
from stripwatch.worker.config.toml_text import read_toml


def load_settings(config: Path | None, flags: Mapping[str, Any]) -> Settings:
    """Load settings from a TOML file (or none), the environment and flags (None: not given).

    Raises InputError if the file cannot be read, and SettingsError for an invalid key or value. The message names the
    key, and for an unknown key the closest known one.
    """
    file = read_toml(config) if config is not None else {}
    given = merge(flags)
    variables = own_variables(os.environ)
    reject_old_keys(config, file, given, variables)
    check_variables(variables)
    return build_settings(file, given, config)


def build_settings(file: Mapping[str, Any], given: Mapping[str, Any], config: Path | None = None) -> Settings:
    """Build settings from the content of a file, the environment and flags.

    Raises SettingsError. If `config` is given, the error names it as the file of the invalid key.
    """
    if isinstance(security := given.get("security"), dict) and "password" in security:
        raise SettingsError(
            "setting 'security.password' cannot be a flag, because other users can see flags in the process list; "
            "set it in the environment or the file"
        )
    if "config" in given:
        raise SettingsError("unknown setting 'config'; name the settings file with --config")
    for source in (FILE, ENVIRONMENT):
        if source in given:  # pydantic would treat it as the source of that name
            raise SettingsError(f"unknown setting {source!r}")
    if doubled := two_spellings(file):
        raise SettingsError(f"settings {doubled[0]!r} and {doubled[1]!r} are the same; remove one")
    variables: Mapping[str, Any] = {}
    try:
        variables = environment_values(own_variables(os.environ))
        return Settings(**{**given, FILE: file, ENVIRONMENT: variables})
    except ValidationError as error:
        first = error.errors()[0]
        location = first["loc"][:-1] if first["type"] == "missing" else first["loc"]  # a missing key is in its table
        overridden = _sets(given, location) or _sets(variables, location)
        origin = f"{config}: " if config and location and _sets(file, location) and not overridden else ""
        raise SettingsError(origin + sentence_of(error)) from error
    except RecursionError as error:
        raise SettingsError("a setting in the environment is nested too deeply") from error


def two_spellings(keys: Iterable[str]) -> tuple[str, str] | None:
    """Return two keys that differ only in case, or None. pydantic would silently ignore one of them."""
    seen: dict[str, str] = {}
    for key in keys:
        if key.lower() in seen:
            return seen[key.lower()], key
        seen[key.lower()] = key
    return None


def _sets(values: Mapping[str, Any], location: Iterable[str | int]) -> bool:
    """Return whether nested settings contain a value at the location. Keys are compared in lower case."""
    inner: Any = values
    for part in location:
        if not isinstance(inner, Mapping):
            return True
        lowered = {str(key).lower(): value for key, value in inner.items()}
        if str(part).lower() not in lowered:
            return False
        inner = lowered[str(part).lower()]
    return True
