"""Sources of the settings (defaults, TOML file, environment, options), and where each value comes from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

from stripwatch.worker.config.environment import variable_names
from stripwatch.worker.config.toml_text import key_lines

Kind = Literal["default", "file", "environment", "option"]
_Keys = tuple[str, ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from. name: "default", FILE:LINE, or the name of the variable or option."""

    kind: Kind
    name: str


DEFAULT = Origin("default", "default")


@dataclass(frozen=True)
class Sources:
    """Values of the settings by source.

    Attributes:
        file: Content of the TOML file.
        given: Values of options, nested like the file.
        variables: Environment variables with the prefix of settings.
        config: The TOML file; None if there is none, or its name does not matter.
        text: Text of the TOML file, for line numbers.
        options: How a value in `given` was written, by its keys, such as `--metrics.port` or `--set metrics.port`.
    """

    file: Mapping[str, Any] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    config: Path | None = None
    text: str = ""
    options: Mapping[_Keys, str] = field(default_factory=dict)

    def origin(self, keys: _Keys) -> Origin:
        """Return the origin of the value at these keys, or of a value inside the table there.

        The first key is compared in lower case, because settings may be written in any case.
        """
        if contains(self.given, keys):
            name = _closest(self.options, keys) or _first_inside(self.options, keys)
            return Origin("option", name or option_name(keys))
        if variable := _closest(self._variable_names, keys) or _first_inside(self._variable_names, keys):
            return Origin("environment", variable)
        if contains(self.file, keys):
            line = _closest(self._lines, keys) or _first_inside(self._lines, keys)
            return Origin("file", f"{self.config or 'settings file'}{f':{line}' if line else ''}")
        return DEFAULT

    def shared_origin(self, keys: _Keys) -> Origin:
        """Return the origin of the values in a table if one source gives all of them and is known, else the default."""
        by_option, by_file = contains(self.given, keys), contains(self.file, keys)
        by_variable = _first_inside(self._variable_names, keys) is not None
        unknown = by_option and _first_inside(self.options, keys) is None
        return self.origin(keys) if by_option + by_file + by_variable == 1 and not unknown else DEFAULT

    @cached_property
    def _lines(self) -> dict[_Keys, int]:
        return {_lowered(keys): line for keys, line in key_lines(self.text).items()}

    @cached_property
    def _variable_names(self) -> dict[_Keys, str]:
        return variable_names(self.variables)


def option_name(keys: _Keys) -> str:
    """Return the name of a command's own flag for a setting: `--metrics-port` sets metrics.port."""
    return f"--{'-'.join(keys).replace('_', '-')}"


def contains(values: Mapping[str, Any], keys: _Keys) -> bool:
    """Return whether nested settings contain a value at the keys, or a value instead of a table on the way there."""
    inner: Any = values
    for key in keys:
        if not isinstance(inner, Mapping):
            return True
        lowered = {str(name).lower(): value for name, value in inner.items()}
        if key.lower() not in lowered:
            return False
        inner = inner.get(key, lowered[key.lower()])
    return True


def _lowered(keys: _Keys) -> _Keys:
    return (keys[0].lower(), *keys[1:]) if keys else ()


def _closest(found: Mapping[_Keys, T], keys: _Keys) -> T | None:
    """Return the entry of the keys, or of the innermost table around them."""
    keys = _lowered(keys)
    around = (keys[:length] for length in range(len(keys), 0, -1))
    return next((found[each] for each in around if each in found), None)


def _first_inside(found: Mapping[_Keys, T], keys: _Keys) -> T | None:
    keys = _lowered(keys)
    return next((value for each, value in found.items() if each[: len(keys)] == keys), None)
