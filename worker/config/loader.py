"""Load settings from a TOML file, the environment and flags."""

import os
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.config.environment import environment_values
from stripwatch.worker.config.explanations import problems_of, variable_problems
from stripwatch.worker.config.origins import Sources
from stripwatch.worker.config.overrides import merge
from stripwatch.worker.config.renames import old_keys, own_variables, renaming_problem, without_old_keys
from stripwatch.worker.config.settings import ENVIRONMENT, FILE, Settings
from stripwatch.worker.config.toml_text import read_toml_text

_RESERVED = ("config", FILE, ENVIRONMENT)  # pydantic would treat the last two as sources


def load_settings(
    config: Path | None, flags: Mapping[str, Any], options: Mapping[tuple[str, ...], str] | None = None
) -> Settings:
    """Load settings from a TOML file (or none), the environment and flags (None: not given).

    Args:
        config: The TOML file.
        flags: Values by key, nested like the file.
        options: How the values in `flags` were written on the command line, by their keys, for errors.

    Raises:
        InputError: The file cannot be read.
        SettingsError: A key or value is invalid. The message names every mistake with its file and line, variable or
            option, the allowed values, and for an unknown key the closest known one.
    """
    return settings_from(read_sources(config, flags, options))


def read_sources(
    config: Path | None, flags: Mapping[str, Any], options: Mapping[tuple[str, ...], str] | None = None
) -> Sources:
    """Read all sources of the settings without checking them, except that the file is TOML. As `load_settings`."""
    text, file = read_toml_text(config) if config is not None else ("", {})
    return Sources(file, merge(flags), own_variables(os.environ), config, text, options or {})


def build_settings(file: Mapping[str, Any], given: Mapping[str, Any], config: Path | None = None) -> Settings:
    """Build settings from the content of a file, the environment and flags.

    Raises SettingsError. If `config` is given, the error names it as the file of the invalid key.
    """
    return settings_from(Sources(file, given, own_variables(os.environ), config))


def settings_from(sources: Sources) -> Settings:
    """Build settings from their sources. Raises SettingsError, which names every mistake."""
    wrong_variables = variable_problems(without_old_keys(sources.variables))
    problems = [*_problems_of_names(sources), *wrong_variables.values()]
    usable = _usable(sources, wrong_variables)
    try:
        try:
            variables = environment_values(usable.variables)
        except SettingsError as error:  # two variables for one setting
            problems.append(str(error))
            variables = {}
        settings = Settings(**{**usable.given, FILE: usable.file, ENVIRONMENT: variables})
    except ValidationError as error:
        raise _error([*problems, *problems_of(error, usable)]) from error
    except RecursionError as error:
        raise SettingsError("a setting in the environment is nested too deeply") from error
    if problems:
        raise _error(problems)
    return settings


def two_spellings(keys: Iterable[str]) -> tuple[str, str] | None:
    """Return two keys that differ only in case, or None. pydantic would silently ignore one of them."""
    seen: dict[str, str] = {}
    for key in keys:
        if key.lower() in seen:
            return seen[key.lower()], key
        seen[key.lower()] = key
    return None


def _error(problems: list[str]) -> SettingsError:
    problems = list(dict.fromkeys(problems))
    if len(problems) == 1:
        return SettingsError(problems[0])
    return SettingsError("\n  ".join([f"{len(problems)} errors in the settings:", *problems]))


def _problems_of_names(sources: Sources) -> Iterator[str]:
    """Yield the problems that pydantic would not find, or not explain."""
    if old := renaming_problem(sources.config, sources.file, sources.given, sources.variables):
        yield old
    if isinstance(security := sources.given.get("security"), dict) and "password" in security:
        yield (
            "setting 'security.password' cannot be a flag, because other users can see flags in the process list; "
            "set it in the environment or the file"
        )
    if "config" in sources.given:
        yield "unknown setting 'config'; name the settings file with --config"
    for source in (FILE, ENVIRONMENT):
        if source in sources.given:
            yield f"unknown setting {source!r}"
    if doubled := two_spellings(sources.file):
        yield f"settings {doubled[0]!r} and {doubled[1]!r} are the same; remove one"


def _usable(sources: Sources, wrong_variables: Container[str]) -> Sources:
    """Return the sources without the values that have been reported, so that no value is reported twice."""
    file, given = (
        {key: value for key, value in values.items() if key not in _RESERVED and key not in old_keys(values)}
        for values in (sources.file, sources.given)
    )
    if isinstance(security := given.get("security"), dict):
        given["security"] = {key: value for key, value in security.items() if key != "password"}
    variables = without_old_keys(sources.variables)
    variables = {name: value for name, value in variables.items() if name not in wrong_variables}
    return replace(sources, file=file, given=given, variables=variables)
