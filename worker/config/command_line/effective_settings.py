"""The effective settings as a TOML document with the origin of each value, or as JSON."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit
from pydantic import SecretStr

from stripwatch.worker.config.fields.field_paths import settings_in, value_at
from stripwatch.worker.config.origins import Origin, Sources
from stripwatch.worker.config.settings import Settings

_MASK = "**********"  # as pydantic prints a secret
_HEAD = (
    "# Settings of this machine, with the origin of each: default, file and line, environment variable, or option.\n"
    "# A commented setting is not set. Secrets are masked.\n"
)
_CHANGED_HEAD = "# Settings that differ from their defaults, with the origin of each. Secrets are masked.\n"


@dataclass(frozen=True, slots=True)
class EffectiveSetting:
    """A setting with its value as in a TOML file (None: not set), and its origin. changed: it is not the default."""

    path: tuple[str, ...]
    value: Any
    origin: Origin
    masked: bool
    changed: bool

    @property
    def key(self) -> str:
        return tomlkit.key(list(self.path)).as_string()


def effective_settings(settings: Settings, sources: Sources) -> list[EffectiveSetting]:
    """Return all settings in the order of the reference, those of configured cameras and labels included."""
    default = Settings.model_validate({})
    defaults = {each.path: _plain(value_at(default, each.path)) for each in settings_in(Settings, default)}
    found = []
    for setting in settings_in(Settings, settings):
        raw = value_at(settings, setting.path)
        value = _plain(raw)
        changed = setting.path not in defaults or value != defaults[setting.path]  # a camera has no default
        origin = sources.origin(setting.path)
        found.append(EffectiveSetting(setting.path, value, origin, isinstance(raw, SecretStr), changed))
    return found


def as_toml(found: list[EffectiveSetting], only_changed: bool = False) -> str:
    """Return a TOML document that `--config` accepts. only_changed: leave out settings with their default value."""
    shown = [each for each in found if each.changed] if only_changed else found
    top_level = [each for each in shown if len(each.path) == 1]
    blocks = ["\n".join(_line(each) for each in top_level)]
    for table in dict.fromkeys(each.path[:-1] for each in shown if len(each.path) > 1):
        header = f"[{tomlkit.key(list(table)).as_string()}]"
        blocks.append("\n".join([header, *(_line(each) for each in shown if each.path[:-1] == table)]))
    head = _CHANGED_HEAD if only_changed else _HEAD
    return "\n\n".join([head.rstrip("\n"), *filter(None, blocks)]) + "\n"


def as_json(found: list[EffectiveSetting], only_changed: bool = False) -> dict[str, Any]:
    """Return the settings, nested as in a file, the origin of each by its key, and the keys of masked secrets."""
    nested: dict[str, Any] = {}
    origins, masked = {}, []
    for each in found:
        if only_changed and not each.changed:
            continue
        table = nested
        for name in each.path[:-1]:
            table = table.setdefault(name, {})
        table[each.path[-1]] = each.value
        origins[each.key] = each.origin.name
        if each.masked and each.value is not None:
            masked.append(each.key)
    return {"settings": nested, "origins": origins, "masked": masked}


def _line(setting: EffectiveSetting) -> str:
    name = tomlkit.key(setting.path[-1]).as_string()
    note = f"# {' '.join(setting.origin.name.split())}"  # a file name may contain a line break
    if setting.value is None:
        return f"# {name} is not set  {note}"
    return f"{name} = {tomlkit.item(setting.value).as_string()}  {note}{', masked' if setting.masked else ''}"


def _plain(value: Any) -> Any:
    """Return a value as TOML and JSON can express it."""
    if isinstance(value, SecretStr):
        return _MASK
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    return value
