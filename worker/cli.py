"""`stripwatch`, the same as `python -m worker`: every command of the worker."""

import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from stripwatch.worker.bench.command import bench
from stripwatch.worker.bench.demo import demo
from stripwatch.worker.commands.config import config as config_files
from stripwatch.worker.commands.rejects import rejects
from stripwatch.worker.commands.topics import topics
from stripwatch.worker.common.console import new_app, print_summary, run_app
from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.common.log_setup import set_up_logs
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.overrides import merge, parse_pairs
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.simulator.replay import replay
from stripwatch.worker.simulator.simulate import simulate

PROGRAM = "stripwatch"
app = new_app(PROGRAM, "Inspect moving steel strip: frames from Kafka in, defect events out.")

Config = Annotated[Path | None, typer.Option(help="A TOML file with any of the settings.")]
BootstrapServers = Annotated[str | None, typer.Option(help="Kafka brokers, host:port, comma between.")]
Set = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any other setting, as in the file.")]
BundleFile = Annotated[Path | None, typer.Option("--bundle", help="The model file to run, or STORE/NAME.")]
Provider = Annotated[str | None, typer.Option(help="auto, cpu, cuda or tensorrt.")]
BatchFramesMax = Annotated[int | None, typer.Option(help="Largest batch to warm up.")]
LogFormat = Annotated[str | None, typer.Option(help="auto, console or json.")]


@app.command()
def run(
    config: Config = None,
    bundle: BundleFile = None,
    bootstrap_servers: BootstrapServers = None,
    group_id: Annotated[str | None, typer.Option(help="Consumer group.")] = None,
    provider: Provider = None,
    batch_frames_max: BatchFramesMax = None,
    linger_ms_max: Annotated[float | None, typer.Option(help="How long a free device waits for more frames.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Port of /metrics, /healthz and /readyz.")] = None,
    log_format: LogFormat = None,
    setting: Set = None,
) -> None:
    """Inspect frames from Kafka until stopped.

    Settings come from --config, then the environment (STRIPWATCH_BUNDLE=...), then flags; the later wins.
    SIGTERM finishes and commits the frames in flight. Exit codes: 2 settings, 3 bundle, 4 broker, 5 inference.

    Example: stripwatch run --bundle model.onnx --bootstrap-servers 127.0.0.1:9092 --set topics.frames=my.frames
    """
    settings = _settings(
        config,
        setting,
        bundle=bundle,
        bootstrap_servers=bootstrap_servers,
        group_id=group_id,
        provider=provider,
        batch_frames_max=batch_frames_max,
        linger_ms_max=linger_ms_max,
        metrics={"port": metrics_port},
        log={"format": log_format},
    )
    from stripwatch.worker.service.autotune import apply_layout, choose_layout
    from stripwatch.worker.service.supervisor import supervise
    from stripwatch.worker.service.worker_app import run as run_worker

    layout = choose_layout(settings).layout
    if layout.processes > 1:
        supervise(settings, layout, sys.argv[1:])
    else:
        run_worker(apply_layout(settings, layout))


@app.command()
def check(
    config: Config = None,
    bundle: BundleFile = None,
    provider: Provider = None,
    batch_frames_max: BatchFramesMax = None,
    setting: Set = None,
) -> None:
    """Load a bundle, verify its golden frames, warm up, print one JSON line, and exit.

    frames_per_second is that of inference alone, by batch size, on this machine; layout is what run would take.

    Example: stripwatch check --bundle model.onnx
    """
    settings = _settings(
        config, setting, quiet=True, bundle=bundle, provider=provider, batch_frames_max=batch_frames_max
    )
    from stripwatch.worker.service.check import check as check_bundle

    print_summary(check_bundle(settings))


@app.command()
def inspect(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of JPEG and PNG files.")],
    out: Annotated[Path, typer.Option(help="JSON lines to write: one event a frame.")],
    config: Config = None,
    bundle: BundleFile = None,
    provider: Provider = None,
    batch_frames_max: BatchFramesMax = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    setting: Set = None,
) -> None:
    """Inspect a folder of images, without a broker, by the same steps as on the line.

    Example: stripwatch inspect --bundle model.onnx photos --out results.jsonl
    """
    settings = _settings(
        config, setting, quiet=True, bundle=bundle, provider=provider, batch_frames_max=batch_frames_max
    )
    from stripwatch.worker.service.offline import inspect_folder

    print_summary(inspect_folder(settings, folder, out, force))


@app.command()
def coils(
    config: Config = None,
    bootstrap_servers: BootstrapServers = None,
    group_id: Annotated[str, typer.Option(help="The group whose commits say where to go on.")] = "stripwatch-coils",
    settle_s: Annotated[
        float, typer.Option(min=0, help="A coil has ended when the line has the next one and so long none of it came.")
    ] = 10.0,
    silence_s: Annotated[float, typer.Option(min=1, help="Or when so long none of it came anyway.")] = 120.0,
    setting: Set = None,
) -> None:
    """Write a summary of each coil to the topic of coils when the coil has ended, until stopped.

    It reads results and rejects of all lines; run it once beside the workers. A summary is written at least once, a
    repeat has the same ce_id. SIGTERM ends it in order; the last line on stdout is JSON.

    Example: stripwatch coils --bootstrap-servers 127.0.0.1:9092
    """
    settings = _settings(config, setting, bootstrap_servers=bootstrap_servers)
    from stripwatch.worker.coils.coil_tracker import CoilRules
    from stripwatch.worker.coils.summarizer import summarize_coils

    print_summary(summarize_coils(settings, CoilRules(settle_s, silence_s), group_id))


@app.command()
def report(
    config: Config = None,
    bootstrap_servers: BootstrapServers = None,
    coil: Annotated[str | None, typer.Option(help="Only coils of this name.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="No table, but all of each coil in the JSON.")] = False,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a row for each coil to this new file.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False,
    setting: Set = None,
) -> None:
    """What the results on Kafka say of each coil: metres, metres not covered, frames, defects of each class.

    Reads the topics of results and rejects from their beginning. The last line on stdout is JSON.

    Example: stripwatch report --bootstrap-servers 127.0.0.1:9092 --csv coils.csv
    """
    settings = _settings(config, setting, quiet=True, bootstrap_servers=bootstrap_servers)
    from stripwatch.worker.coils import report as reports

    found = reports.report(settings, coil, csv, force)
    if as_json:
        print_summary({"coils": msgspec.to_builtins(found)})
    else:
        reports.print_table(found)
        print_summary({"coils": len(found), "defects": sum(sum(one.defects.values()) for one in found)})


@app.command()
def view(
    config: Config = None,
    bootstrap_servers: BootstrapServers = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on. There is no login: beyond loopback, trust the net.")
    ] = ("127.0.0.1"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0: any free one.")] = 8800,
    history: Annotated[int, typer.Option(min=0, help="Begin with so many of the newest results and rejects.")] = 20_000,
    setting: Set = None,
) -> None:
    """Serve the live page: the strip of each line with its defects, newest defects, coils and their reports.

    It only reads Kafka, joins no group, and waits for a broker that is away. The extra 'view' is needed.

    Example: stripwatch view --bootstrap-servers 127.0.0.1:9092, then open http://127.0.0.1:8800/
    """
    settings = _settings(config, setting, bootstrap_servers=bootstrap_servers)
    try:
        from stripwatch.worker.dashboard.server import serve
    except ModuleNotFoundError as error:
        raise SettingsError(f"{error.name} is not installed; run pip install 'stripwatch[view]'") from error
    serve(settings, host, port, history)


@app.command()
def contracts(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the files go, over those that are there.")],
) -> None:
    """Write what is on Kafka as JSON Schemas and one AsyncAPI 3 document, made from the code.

    Example: stripwatch contracts --out deploy/contracts
    """
    from stripwatch.worker.commands.schemas import write_schemas

    print_summary({"out": str(out), "files": write_schemas(out)})


for command in (simulate, replay, topics, demo, bench):
    app.command()(command)
app.add_typer(rejects, name="rejects")
app.add_typer(config_files, name="config")


def main() -> None:
    run_app(app, PROGRAM)


def _settings(config: Path | None, pairs: list[str] | None, quiet: bool = False, **flags: Any) -> Settings:
    """quiet: only warnings, unless --set log.level says otherwise."""
    quieter = {"log": {"level": "warning"}} if quiet else {}
    settings = load_settings(config, merge(quieter, parse_pairs(pairs or []), flags))
    set_up_logs(settings.log.format, settings.log.level)
    return settings
