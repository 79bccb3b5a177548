"""Settings from a TOML file, the environment and flags, and one sentence for what is wrong in them."""

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings.exceptions import SettingsError as SourceError

from stripwatch.worker.common.errors import InputError, SettingsError
from stripwatch.worker.config.overrides import merge
from stripwatch.worker.config.renames import own_variables, reject_old_keys
from stripwatch.worker.config.settings import ENV_PREFIX, FILE, SECTIONS, Settings


def load_settings(config: Path | None, flags: Mapping[str, Any]) -> Settings:
    """Settings from a TOML file (or none), the environment and flags (None: not given).

    Raises InputError when the file cannot be read, SettingsError that names the key, and the nearest known one.
    """
    file = read_toml(config) if config is not None else {}
    given = merge(flags)
    variables = own_variables(os.environ)
    reject_old_keys(config, file, given, variables)
    _check_environment(variables)
    return build_settings(file, given)


def read_toml(config: Path) -> dict[str, Any]:
    """What a settings file holds. Raises InputError where it cannot be read, SettingsError where it is not TOML."""
    if not config.is_file():
        raise InputError(f"there is no configuration file {config}")
    try:
        return tomllib.loads(config.read_bytes().decode())
    except OSError as error:
        raise InputError(f"cannot read {config}: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"{config} is not valid TOML: {error}") from error


def build_settings(file: Mapping[str, Any], given: Mapping[str, Any]) -> Settings:
    """Settings from the content of a file, the environment and flags. Raises SettingsError."""
    if isinstance(security := given.get("security"), dict) and "password" in security:
        raise SettingsError("setting 'security.password' is no flag: others could see it in the list of processes")
    if "config" in given:
        raise SettingsError("unknown setting 'config'; a file is named by --config alone")
    try:
        return Settings(**{**given, FILE: file})
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from error
    except SourceError as error:
        raise SettingsError(f"{error}: {error.__cause__}") from error


def _check_environment(variables: Mapping[str, str]) -> None:
    """pydantic-settings passes over unknown variables; a typing error in one would go unnoticed."""
    known = [ENV_PREFIX + name.upper() for name in Settings.model_fields]
    for name in variables:
        if name.split("__")[0] not in known:
            raise SettingsError(f"unknown environment variable {name}{_nearest(name, known)}")


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown setting {key!r}{_nearest(key, _known_keys())}"
    message = first["msg"].removeprefix("Value error, ")
    if not key:  # it spans several settings, and names them itself
        return message
    if first["type"] == "model_type":
        return f"setting {key!r} is a table with settings of its own, not a value"
    shown = "" if first["loc"][:1] == ("security",) else f" (it is {first['input']!r})"  # it may be a password
    return f"setting {key!r}: {message[0].lower()}{message[1:]}{shown}"


def _known_keys() -> list[str]:
    keys = list(Settings.model_fields)
    for section, model in SECTIONS.items():
        keys += [f"{section}.{name}" for name in model.model_fields]
    return keys


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
