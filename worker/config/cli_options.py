"""Options that several commands have in common, and the settings that a command line makes."""

import os
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer

from stripwatch.worker.common.log_setup import set_up_logs
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.overrides import merge, parse_pairs
from stripwatch.worker.config.renames import service_variables
from stripwatch.worker.config.security import Security
from stripwatch.worker.config.settings import Settings

log = structlog.get_logger()

_BUNDLE = typer.Option("--bundle", help="The model file to run, or STORE/NAME.")
_SERVERS = typer.Option("--bootstrap-servers", help="Kafka brokers, HOST:PORT[,HOST:PORT...].")

# Of commands that read all settings: a flag is one setting, and may be left to the file or the environment.
SettingsConfig = Annotated[Path | None, typer.Option("--config", help="A TOML file with any of the settings.")]
BootstrapServersSetting = Annotated[str | None, _SERVERS]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any other setting, as in the file.")]
BundleSetting = Annotated[Path | None, _BUNDLE]
Provider = Annotated[str | None, typer.Option(help="auto, cpu, cuda or tensorrt.")]
BatchFramesMax = Annotated[int | None, typer.Option(help="Largest batch to warm up.")]
MetricsPort = Annotated[
    int | None, typer.Option(min=0, max=65535, help="Port of /metrics, /healthz and /readyz; 0: any free port.")
]
LogFormat = Annotated[str | None, typer.Option(help="auto, console or json.")]

# Of commands that only need to reach Kafka: of the file they read nothing but [security].
SecurityConfig = Annotated[
    Path | None, typer.Option("--config", help="A TOML file whose [security] says how to talk to Kafka.")
]
BootstrapServers = Annotated[str, _SERVERS]  # "": this run of the command needs none
BrokerAddress = Annotated[
    str, typer.Option("--broker", help="An existing Kafka broker, HOST:PORT; else one is started.")
]

BundleFile = Annotated[Path, _BUNDLE]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")]
FramesTopic = Annotated[str, typer.Option("--topic", help="The topic that takes the frames; it must be there.")]
ImageFolderArgument = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of image files, searched in depth.")]


def security_of(config: Path | None) -> Security:
    """From a TOML file (or none) and the environment, as for `run`. Raises InputError or SettingsError."""
    return load_settings(config, {}).security


def settings_of(config: Path | None, pairs: list[str] | None, quiet: bool = False, **flags: Any) -> Settings:
    """Settings from --config, the environment, --set and flags, with the log set up as they say.

    quiet: only warnings, unless --set log.level says otherwise. flags: by name of the setting or section; None is not
    given, nor is None within a section.
    Raises InputError or SettingsError.
    """
    quieter = {"log": {"level": "warning"}} if quiet else {}
    settings = load_settings(config, merge(quieter, parse_pairs(pairs or []), flags))
    set_up_logs(settings.log.format, settings.log.level)
    if passed_over := service_variables(os.environ):
        log.info("variables of Kubernetes services are not settings", variables=passed_over)
    return settings
