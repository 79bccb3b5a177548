"""The command `stripwatch view`."""

from typing import Annotated

import typer

from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.config.command_line.cli_options import BootstrapServersSetting, Set, SettingsConfig, settings_of
from stripwatch.worker.config.command_line.setting_options import settings_as_options


@settings_as_options
def view(
    config: SettingsConfig = None,
    bootstrap_servers: BootstrapServersSetting = None,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on. Everybody who reaches it can read the page, so listen beyond loopback only in "
            "a trusted network. Acknowledging and correcting need a sign-in, which the settings `view` configure."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page. 0 picks a free port.")] = 8800,
    history: Annotated[
        int, typer.Option(min=0, help="Number of the newest results and rejects to show at the start.")
    ] = 20_000,
    setting: Set = None,
) -> None:
    """Serve the live page: the strip map of each line, the newest defects, and the coils with their reports.

    The page joins no consumer group, and waits for a broker that is unreachable. It only reads from Kafka, unless
    view.token_file or view.user_header allows people to write. Requires the extra 'view'.

    By default the page is at http://127.0.0.1:8800/.

    Example: stripwatch view --bootstrap-servers 127.0.0.1:9092
    """
    settings = settings_of(config, setting, bootstrap_servers=bootstrap_servers)
    try:
        from stripwatch.worker.dashboard.web.server import serve
    except ModuleNotFoundError as error:
        raise SettingsError(f"{error.name} is not installed; run: pip install starlette tzdata uvicorn") from error
    serve(settings, host, port, history)
