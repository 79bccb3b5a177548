"""Compare the worker with its peers and with the project's goals: `python -m tests.benchmarks.peers --help`."""

import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer
from kafka import KafkaConsumer
from kafka.errors import KafkaError

from stripwatch.worker.bench.demo import DEMO_BUNDLE
from stripwatch.worker.bench.embedded_broker import Broker, embedded_broker
from stripwatch.worker.common.errors import BrokerUnavailableError, StripwatchError
from stripwatch.worker.common.log_setup import set_up_logs
from stripwatch.worker.common.terminal.console import print_summary, say
from stripwatch.worker.images.image_files import content_type_of, list_images
from stripwatch.worker.simulator.cameras import SourceImage
from stripwatch.worker.simulator.simulate import render_pool
from tests.benchmarks.peers import goals
from tests.benchmarks.peers.cameras import CAMERAS, PARTITIONS, Plan, send_frames
from tests.benchmarks.peers.contenders import ALL, WORKER, Contender
from tests.benchmarks.peers.lap import BROKER_SETTINGS, Track
from tests.benchmarks.peers.meet import Entry, Rounds, enter, meet
from tests.benchmarks.peers.report import Report, describe, summary, write
from tests.brokers.apache import KafkaUnavailableError, apache_broker
from tests.brokers.handle import BrokerHandle

PHOTOS, STRIPS, HEAVY = "200x200", "256x1600", "256x1600, large model"
_SHAPES = {PHOTOS: (200, 200), STRIPS: (256, 1600)}
_FIRST_GOALS = {PHOTOS: 1.4, STRIPS: 1.8}
_POOL_FRAMES = 64  # distinct simulated frames; of a folder, as many images as fit into 64 MB
_POOL_BYTES_MAX = 64_000_000
_GROUP_FRAMES = CAMERAS * 32  # whole batches per camera: an incomplete count window would wait forever
_STRIP_SHARE, _HEAVY_SHARE = 0.4, 0.085  # ratios of --count, so that a lap takes about as long on every track
# Used only to predict the duration: seconds to start and stop, and frames per second of a typical contender.
_START_S, _GUESS_FPS, _STEPS_S = 6.0, {PHOTOS: 900.0, STRIPS: 330.0, HEAVY: 35.0}, 12.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of a run. rounds, others: see meet.Rounds. pace_s: duration of each latency measurement."""

    rounds: int
    others: int
    counts: dict[str, int]
    sweep_share: float
    pace_s: float
    delivery_count: int
    minutes: float

    def of(self, track: str) -> Rounds:
        return Rounds(self.rounds, min(self.others, self.rounds), whole(self.sweep_share * self.counts[track]))


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle that all contenders use.")] = DEMO_BUNDLE,
    large_bundle: Annotated[Path | None, typer.Option(help="Large bundle, such as InceptionV3, for --goals.")] = None,
    photos: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of 200x200 images. Default: simulated frames.")
    ] = None,
    strips: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of 256x1600 images. Default: simulated frames.")
    ] = None,
    broker: Annotated[str, typer.Option(help="apache, or embedded for a quick trial.")] = "apache",
    shapes: Annotated[str, typer.Option(help="Frame shapes, separated by commas.")] = f"{PHOTOS},{STRIPS}",
    only: Annotated[str, typer.Option(help="Names of contenders, separated by commas. Default: all.")] = "",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds. The contenders take turns in each.")] = 5,
    others: Annotated[int, typer.Option(min=0, help="Rounds of contenders that no goal refers to.")] = 2,
    count: Annotated[int, typer.Option(min=200, help="200x200 frames per lap. 256x1600: two fifths of it.")] = 3000,
    sweep_share: Annotated[
        float, typer.Option(min=0.05, max=1, help="Share of the frames used to try a setting.")
    ] = 0.3,
    with_goals: Annotated[bool, typer.Option("--goals", help="Also measure the project's goals.")] = False,
    pace_s: Annotated[float, typer.Option(min=1, help="Duration of each latency measurement, in seconds.")] = 6.0,
    minutes: Annotated[float, typer.Option(min=0, help="Duration of the run at 95 % of capacity. 0: none.")] = 0.0,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for peers.md and peers.json.")] = Path(
        ".cache/benchmarks"
    ),
) -> None:
    """Run the worker and its alternatives in turn, with the same frames, model and broker.

    Each contender first tries its settings, then all contenders run in every round. The results are written to peers.md
    and peers.json.

    Example: python -m tests.benchmarks.peers --bundle model.onnx --photos photos --strips strips --goals

    The last line on stdout is JSON. Exit code 4: the broker is not available.
    """
    set_up_logs("auto", "warning")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # a clean exit stops all child processes
    names = pick(shapes, list(_SHAPES), "--shapes")
    counts = {PHOTOS: whole(count), STRIPS: whole(_STRIP_SHARE * count), HEAVY: whole(_HEAVY_SHARE * count)}
    sizes = Sizes(rounds, others, counts, sweep_share, pace_s, 2 * count, minutes)
    wanted = pick(only, [contender.name for contender in ALL], "--only")
    if with_goals and WORKER.name not in wanted:
        raise typer.BadParameter(f"--goals needs the {WORKER.name}; add it to --only")
    chosen = [contender for contender in ALL if contender.name in wanted]
    large = large_bundle if with_goals else None
    say(f"this will take about {predict_s(chosen, names, sizes, with_goals, large is not None) / 60:.0f} minutes")
    report = Report(describe(broker, rounds, {name: counts[name] for name in names}), {}, [])
    python, absent = enter(chosen)
    folders = {PHOTOS: photos, STRIPS: strips, HEAVY: strips}
    try:
        with open_tracks(broker, python, sizes, folders, bundle, large, names) as tracks:
            for name in names:
                _measure(tracks[name], chosen, absent, sizes, with_goals, report, out)
                write(report, out)
            if with_goals:
                _measure_more(tracks, names, sizes, report)
                write(report, out)
    except (KafkaUnavailableError, KafkaError, StripwatchError) as error:
        say(f"error: {error}")
        raise typer.Exit(BrokerUnavailableError.exit_code) from error
    say((out / "peers.md").read_text())
    print_summary(summary(report))


def pick(text: str, known: Sequence[str], option: str) -> list[str]:
    """Return the comma-separated names of an option; all known names if it is empty."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if unknown := set(names) - set(known):
        raise typer.BadParameter(f"unknown name in {option}: {', '.join(sorted(unknown))}; use {', '.join(known)}")
    return names or list(known)


def whole(count: float) -> int:
    return max(1, round(count / _GROUP_FRAMES)) * _GROUP_FRAMES


def _measure(
    track: Track,
    chosen: Sequence[Contender],
    absent: dict[str, str],
    sizes: Sizes,
    with_goals: bool,
    report: Report,
    out: Path,
) -> None:
    limit = goals.CpuLimit(track)

    def after_each(entries: list[Entry]) -> None:
        report.tracks[track.name] = entries
        write(report, out)  # keep the results so far if a later step fails
        if with_goals:
            limit(entries)

    entries = meet(chosen, track, sizes.of(track.name), absent, after_each)
    if not with_goals:
        return
    report.goals.append(limit.goal)
    report.goals += goals.over_others(track.name, entries, _FIRST_GOALS[track.name])
    write(report, out)
    report.goals += goals.latency(track, entries, sizes.rounds, sizes.pace_s)


def _measure_more(tracks: dict[str, Track], names: Sequence[str], sizes: Sizes, report: Report) -> None:
    if HEAVY in tracks:
        report.goals.append(goals.heavy_model(tracks[HEAVY], sizes.rounds))
    with tempfile.TemporaryDirectory() as folder:
        report.goals.append(goals.deliveries(tracks[names[0]], Path(folder), sizes.rounds, sizes.delivery_count))
    if sizes.minutes:
        worker = next(entry for entry in report.tracks[names[0]] if entry.name == WORKER.name)
        report.goals += goals.long_run(tracks[names[0]], worker, sizes.minutes)


@contextmanager
def open_tracks(
    kind: str,
    python: str,
    sizes: Sizes,
    folders: dict[str, Path | None],
    bundle: Path,
    large: Path | None,
    names: Sequence[str],
) -> Iterator[dict[str, Track]]:
    """Start a broker, and send all frames to it.

    Raises KafkaUnavailableError, BrokerUnavailableError, InputError or SettingsError.
    """
    with ExitStack() as stack:
        running = stack.enter_context(embedded_broker() if kind == "embedded" else apache_broker(BROKER_SETTINGS))
        handle = BrokerHandle(kind, running.bootstrap_servers, 6000)
        consumer = stack.enter_context(handle.consumer())
        images = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stripwatch-frames-")))
        tracks = {}
        for name in names:
            shots = pool_of(folders[name], _SHAPES[name])
            tracks[name] = open_track(name, running, handle, consumer, bundle, images / name, shots, sizes, python)
        if large and STRIPS in tracks:
            topic = _fill(handle, running, pool_of(folders[STRIPS], _SHAPES[STRIPS]), sizes.counts[HEAVY])
            heavy = replace(tracks[STRIPS], name=HEAVY, bundle=large, topic=topic, count=sizes.counts[HEAVY])
            tracks[HEAVY] = heavy
        yield tracks


def open_track(
    name: str,
    broker: Broker,
    handle: BrokerHandle,
    consumer: KafkaConsumer,
    bundle: Path,
    folder: Path,
    shots: list[SourceImage],
    sizes: Sizes,
    python: str,
) -> Track:
    """Send the frames to a topic, and write the same frames to a folder for the cameras."""
    folder.mkdir()
    for number, shot in enumerate(shots):
        suffix = ".png" if shot.content_type == "image/png" else ".jpg"
        (folder / f"{number:06d}{suffix}").write_bytes(shot.encoded)
    topic = _fill(handle, broker, shots, sizes.counts[name])
    return Track(name, broker, handle, consumer, bundle, folder, topic, sizes.counts[name], python)


def _fill(handle: BrokerHandle, broker: Broker, shots: list[SourceImage], count: int) -> str:
    say(f"sending {count} frames")
    topic = handle.new_topic(PARTITIONS, max_message_bytes="16777216")
    send_frames(Plan(broker.bootstrap_servers, topic, "", count), shots)
    return topic


def pool_of(folder: Path | None, shape: tuple[int, int]) -> list[SourceImage]:
    """Return images spread evenly over a folder, or simulated ones. Raises InputError."""
    if folder is None:
        return render_pool(_POOL_FRAMES, shape, seed=1, defect_share=0.3)
    files = list_images(folder).files
    shots: list[SourceImage] = []
    for path in files[:: max(1, len(files) * 30_000 // _POOL_BYTES_MAX)]:
        shots.append(SourceImage(path.read_bytes(), content_type_of(path)))
    return shots


def predict_s(chosen: Sequence[Contender], names: Sequence[str], sizes: Sizes, with_goals: bool, heavy: bool) -> float:
    """Estimate the duration of a run in seconds, on two otherwise idle cores."""
    seconds = 20.0

    def lap_s(name: str, count: float) -> float:
        return _START_S + count / _GUESS_FPS[name]

    for name in names:
        trials = sum(len(c.settings) for c in chosen if len(c.settings) > 1)
        seconds += trials * lap_s(name, sizes.of(name).sweep_count)
        compared = sum(c.compared for c in chosen) + any(c.framework for c in chosen)
        laps = sizes.rounds * compared + sizes.of(name).others * (len(chosen) - compared)
        seconds += laps * lap_s(name, sizes.counts[name])
        seconds += sizes.rounds * (_STEPS_S + 3 * (_START_S + sizes.pace_s)) * with_goals
    if heavy:
        seconds += sizes.rounds * (lap_s(HEAVY, sizes.counts[HEAVY]) + _STEPS_S)
    if with_goals:
        seconds += sizes.rounds * 2 * (_START_S + sizes.delivery_count / 1500) + 60 * sizes.minutes
    return seconds


if __name__ == "__main__":
    typer.run(main)
