"""Settings from a TOML file, the environment and flags, and one sentence for what is wrong in them."""

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings.exceptions import SettingsError as SourceError

from stripwatch.worker.common.errors import InputError, SettingsError
from stripwatch.worker.config.settings import ENV_PREFIX, SECTIONS, Settings

# Kubernetes puts these into every pod for a service of this name; they are no settings of ours.
_KUBERNETES = re.compile(ENV_PREFIX + r"(SERVICE_(HOST|PORT)|PORT)(_|$)")


def load_settings(config: Path | None, flags: Mapping[str, Any]) -> Settings:
    """Settings from a TOML file (or none), the environment and flags (None: not given).

    Raises InputError when the file cannot be read, SettingsError that names the key, and the nearest known one.
    """
    if config is not None and not config.is_file():
        raise InputError(f"there is no configuration file {config}")
    _check_environment(os.environ)
    given = {key: value for key, value in flags.items() if value is not None}
    if isinstance(security := given.get("security"), dict) and "password" in security:
        raise SettingsError("setting 'security.password' is no flag: others could see it in the list of processes")
    if "config" in given:
        raise SettingsError("unknown setting 'config'; a file is named by --config alone")
    try:
        return Settings(config=config, **given)  # type: ignore[call-arg]
    except ValidationError as error:
        raise SettingsError(_sentence(error)) from error
    except SourceError as error:
        raise SettingsError(f"{error}: {error.__cause__}") from error
    except ValueError as error:  # a TOML file that is no TOML
        raise SettingsError(f"{config} is no valid TOML: {error}") from error


def _check_environment(environment: Mapping[str, str]) -> None:
    """pydantic-settings passes over unknown variables; a typing error in one would go unnoticed."""
    known = [ENV_PREFIX + name.upper() for name in Settings.model_fields]
    for name in environment:
        if name.startswith(ENV_PREFIX) and name.split("__")[0] not in known and not _KUBERNETES.match(name):
            raise SettingsError(f"unknown environment variable {name}{_nearest(name, known)}")


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown setting {key!r}{_nearest(key, _known_keys())}"
    message = first["msg"].removeprefix("Value error, ")
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
