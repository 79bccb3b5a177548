"""Settings as options of a command: `--metrics.port 9109` and `--deadline-ms=50` in addition to --set.

A command lists only its own options in its help, because there are more than a hundred settings. `SettingsCommand`
turns the options of settings into values of --set before the command line is parsed.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from typer.core import TyperOption

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.common.terminal.command_line import COMMAND_CLASS, Command
from stripwatch.worker.config.explanations import known_keys
from stripwatch.worker.config.fields.field_paths import SettingPath, find_setting, kinds_of
from stripwatch.worker.config.settings import Settings

Function = TypeVar("Function", bound=Callable[..., Any])

_EPILOG = (
    "Every setting can be given as an option, such as --evidence.enabled true or --deadline-ms=50. "
    "'stripwatch config show' lists all settings."
)
_SECURITY_EPILOG = (
    "The settings of the connection to Kafka can be given as options, such as --security.protocol SSL. "
    "'stripwatch config show' lists them."
)
_SECURITY_PARAMETER = "security"  # of a command that reads only these settings
_BOOLEANS = ("true", "false", "yes", "no", "on", "off", "1", "0", "t", "f", "y", "n")  # as pydantic reads them
_NEGATION = "no-"


class SettingsCommand(Command):
    """Command that accepts every setting as an option, and passes them to its function with those of --set."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # the context type is private to typer
        try:
            args = self.with_pairs(args)
        except SettingsError as error:
            joint = " See" if str(error).endswith("?") else "; see"
            raise SettingsError(f"{error}{joint} '{ctx.command_path} --help'") from error
        return super().parse_args(ctx, args)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        formatter.write_paragraph()
        security_only = any(parameter.name == _SECURITY_PARAMETER for parameter in self.params)
        formatter.write_text(_SECURITY_EPILOG if security_only else _EPILOG)

    def with_pairs(self, args: Sequence[str]) -> list[str]:
        """Replace each option of a setting with --set, in the form `--set --metrics.port=9109`.

        An option that the command itself has keeps its meaning. Raises SettingsError for an unknown option.
        """
        return list(self._replaced(list(args)))

    def _replaced(self, rest: list[str]) -> Iterator[str]:
        own = {name: parameter for parameter in self.params for name in _names(parameter)}
        while rest:
            word = rest.pop(0)
            name, equals, _ = word.partition("=")
            if word == "--":
                yield from (word, *rest)
                return
            if name in own or not word.startswith("--") or name == "--help":
                yield word
                if name in own and not equals and _takes_value(own[name]) and rest and not rest[0].startswith("--"):
                    yield rest.pop(0)
            else:
                yield from ("--set", _pair(word, rest, own))


def settings_as_options(function: Function) -> Function:
    """Decorate the function of a command that has --set, so that it accepts every setting as an option."""
    setattr(function, COMMAND_CLASS, SettingsCommand)
    return function


def _names(parameter: Any) -> list[str]:
    return [*parameter.opts, *parameter.secondary_opts] if isinstance(parameter, TyperOption) else []


def _takes_value(option: Any) -> bool:
    return not option.is_flag and not option.count


def _pair(word: str, rest: list[str], own: Iterable[str]) -> str:
    """Return an option with its value as `--KEY=VALUE`, and remove the value from the remaining words."""
    name, equals, value = word.partition("=")
    setting = find_setting(Settings, name.removeprefix("--"))
    if setting is None and not equals and name.startswith(f"--{_NEGATION}"):
        negated = find_setting(Settings, name.removeprefix(f"--{_NEGATION}"))
        if negated is not None and kinds_of(negated.annotation) == (bool,):
            return f"{name.replace(_NEGATION, '', 1)}=false"
    if setting is None:
        raise SettingsError(f"no such option {name!r}{_suggestion(name, own)}")
    if setting.is_table:
        raise SettingsError(f"option {name!r} names a section; set one of its settings, as in {_member(name, setting)}")
    if equals:
        return f"{name}={value}"
    if kinds_of(setting.annotation) == (bool,):
        is_value = bool(rest) and rest[0].lower() in _BOOLEANS
        return f"{name}={rest.pop(0) if is_value else 'true'}"
    if not rest or rest[0].startswith("--"):
        raise SettingsError(f"option {name!r} requires a value, as in {name}=VALUE")
    return f"{name}={rest.pop(0)}"


def _member(name: str, section: SettingPath) -> str:
    """Return an example of an option in a section."""
    inside = [key for key in known_keys() if key.startswith(f"{section.path[0]}.")]
    return f"--{inside[0]}" if len(section.path) == 1 and inside else f"{name}.KEY"


def _suggestion(name: str, own: Iterable[str]) -> str:
    """Suggest the closest option of the command or setting; empty if none is close."""
    normal = name.removeprefix("--").replace("_", "-").lower()
    options = {option.removeprefix("--").lower(): option for option in own if option.startswith("--")}
    options |= {key.replace("_", "-").lower(): f"--{key}" for key in known_keys()}
    close = difflib.get_close_matches(normal, list(options), n=1, cutoff=0.6)
    return f"; did you mean {options[close[0]]!r}?" if close else ""
