"""Options that several commands have in common."""

from pathlib import Path
from typing import Annotated

import typer

from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.security import Security

BootstrapServers = Annotated[str, typer.Option(help="The Kafka brokers, HOST:PORT[,HOST:PORT...].")]
Config = Annotated[
    Path | None, typer.Option("--config", help="A TOML file whose [security] says how to talk to Kafka.")
]


def security_of(config: Path | None) -> Security:
    """From a TOML file (or none) and the environment, as for `run`. Raises InputError or SettingsError."""
    return load_settings(config, {}).security
