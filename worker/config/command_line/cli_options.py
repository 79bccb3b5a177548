"""Command-line options shared by several commands, and the settings built from them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.common.log_setup import set_up_logs
from stripwatch.worker.config.fields.kafka_names import check_topic, split_servers
from stripwatch.worker.config.loader import load_settings, read_sources, settings_from
from stripwatch.worker.config.origins import Sources, contains, option_name
from stripwatch.worker.config.overrides import key_paths, merge, names_of_pairs, parse_pairs
from stripwatch.worker.config.renames import service_variables
from stripwatch.worker.config.security import Security
from stripwatch.worker.config.settings import Settings

log = structlog.get_logger()


def servers_option(text: str | None) -> str | None:
    """Check the value of an option with broker addresses. Empty: this run of the command does not connect to Kafka."""
    if text:
        _checked(split_servers, text)
    return text


def topic_option(name: str) -> str:
    """Check the value of an option with the name of a topic."""
    _checked(check_topic, name)
    return name


def _checked(check: Callable[[str], object], text: str) -> None:
    try:
        check(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


_BUNDLE = typer.Option("--bundle", help="Bundle to run: an ONNX file, or REGISTRY/NAME.")
_SERVERS_HELP = "Kafka brokers, HOST:PORT[,HOST:PORT...]."

# For commands that read all settings. Each flag sets one setting and is optional: file and environment set it too.
SettingsConfig = Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")]
BootstrapServersSetting = Annotated[str | None, typer.Option("--bootstrap-servers", help=_SERVERS_HELP)]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a setting, such as topics.frames=my.frames. Repeatable."),
]
BundleSetting = Annotated[Path | None, _BUNDLE]
Provider = Annotated[str | None, typer.Option(help="Execution provider: auto, cpu, cuda or tensorrt.")]
BatchFramesMax = Annotated[int | None, typer.Option(help="Maximum number of frames per batch.")]
MetricsPort = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Port of /metrics, /healthz and /readyz. 0 picks a free port.")
]
LogFormat = Annotated[str | None, typer.Option(help="Log format: auto, console or json.")]

# For commands that only connect to Kafka: they read just the [security] table of the file.
SecurityConfig = Annotated[
    Path | None, typer.Option("--config", help="TOML file with the Kafka security settings, in the table [security].")
]
BootstrapServers = Annotated[  # "": this run of the command does not connect to Kafka
    str, typer.Option("--bootstrap-servers", help=_SERVERS_HELP, callback=servers_option)
]
BrokerAddress = Annotated[
    str,
    typer.Option(
        "--broker",
        help="Existing Kafka broker as HOST:PORT. Default: start an embedded broker.",
        callback=servers_option,
    ),
]

SecuritySet = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a setting security.KEY, as --security.KEY. Repeatable."),
]

BundleFile = Annotated[Path, _BUNDLE]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be done without doing it.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing file.")]
FramesTopic = Annotated[
    str, typer.Option("--topic", help="Topic to send the frames to. It must exist.", callback=topic_option)
]
ImageFolderArgument = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder of image files, including subfolders.")
]


def security_of(config: Path | None, pairs: list[str] | None = None) -> Security:
    """Load the security settings from a TOML file (or none), the environment and options, as `run` does.

    pairs: as in `settings_of`; they may only set `security.*`. Raises InputError or SettingsError.
    """
    given = parse_pairs(pairs or [])
    if others := sorted(given.keys() - {"security"}):
        raise SettingsError(
            f"this command connects to Kafka, and reads only security.* of the settings, not {', '.join(others)}"
        )
    return load_settings(config, given, names_of_pairs(pairs or [])).security


def settings_of(config: Path | None, pairs: list[str] | None, quiet: bool = False, **flags: Any) -> Settings:
    """Load the settings from --config, the environment and options, and configure logging accordingly.

    Args:
        config: The TOML file of --config.
        pairs: The KEY=VALUE pairs of --set, and the settings that were given as options.
        quiet: Log only warnings, unless an option overrides it.
        flags: Values by name of the setting or section. None means not given, also inside a section.

    Raises:
        InputError: The file cannot be read.
        SettingsError: A setting is wrong.
    """
    sources = sources_of(config, pairs, **flags)
    settings = settings_from(sources)
    level_by_option = contains(sources.given, ("log", "level"))
    level = "warning" if quiet and not level_by_option else settings.log.level
    set_up_logs(settings.log.format, level, settings.log.process)
    if passed_over := service_variables(os.environ):
        log.info("variables of Kubernetes services are not settings", variables=passed_over)
    return settings


def sources_of(config: Path | None, pairs: list[str] | None, **flags: Any) -> Sources:
    """Read the sources of the settings without checking them. Arguments and errors as in `settings_of`."""
    pairs, own = pairs or [], merge(flags)
    names = names_of_pairs(pairs) | {keys: option_name(keys) for keys in key_paths(own)}
    return read_sources(config, merge(parse_pairs(pairs), own), names)
