"""Command-line options shared by several commands, and the settings built from them."""

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

_BUNDLE = typer.Option("--bundle", help="Bundle to run: an ONNX file, or REGISTRY/NAME.")
_SERVERS = typer.Option("--bootstrap-servers", help="Kafka brokers, HOST:PORT[,HOST:PORT...].")

# For commands that read all settings. Each flag sets one setting and is optional: file and environment set it too.
SettingsConfig = Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")]
BootstrapServersSetting = Annotated[str | None, _SERVERS]
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
BootstrapServers = Annotated[str, _SERVERS]  # "": this run of the command does not connect to Kafka
BrokerAddress = Annotated[
    str, typer.Option("--broker", help="Existing Kafka broker as HOST:PORT. Default: start an embedded broker.")
]

BundleFile = Annotated[Path, _BUNDLE]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be done without doing it.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing file.")]
FramesTopic = Annotated[str, typer.Option("--topic", help="Topic to send the frames to. It must exist.")]
ImageFolderArgument = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder of image files, including subfolders.")
]


def security_of(config: Path | None) -> Security:
    """Load the security settings from a TOML file (or none) and the environment, as `run` does.

    Raises InputError or SettingsError.
    """
    return load_settings(config, {}).security


def settings_of(config: Path | None, pairs: list[str] | None, quiet: bool = False, **flags: Any) -> Settings:
    """Load the settings from --config, the environment, --set and flags, and configure logging accordingly.

    Args:
        config: The TOML file of --config.
        pairs: The KEY=VALUE pairs of --set.
        quiet: Log only warnings, unless --set log.level overrides it.
        flags: Values by name of the setting or section. None means not given, also inside a section.

    Raises:
        InputError: The file cannot be read.
        SettingsError: A setting is wrong.
    """
    quieter = {"log": {"level": "warning"}} if quiet else {}
    settings = load_settings(config, merge(quieter, parse_pairs(pairs or []), flags))
    set_up_logs(settings.log.format, settings.log.level, settings.log.process)
    if passed_over := service_variables(os.environ):
        log.info("variables of Kubernetes services are not settings", variables=passed_over)
    return settings
