"""`stripwatch simulate`: a simulated strip, as a training set on disk or as cameras that send to Kafka."""

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stripwatch.worker.broker.admin import require_topic
from stripwatch.worker.broker.connection import ClientConfig
from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.common.folders import require_place
from stripwatch.worker.common.terminal.console import new_progress
from stripwatch.worker.common.terminal.outcome import JsonFile, Outcome, command_text, finish
from stripwatch.worker.config.command_line.cli_options import (
    FramesTopic,
    SecurityConfig,
    SecuritySet,
    security_of,
)
from stripwatch.worker.config.command_line.setting_options import settings_as_options
from stripwatch.worker.contracts import topics
from stripwatch.worker.simulator import cli_options as options
from stripwatch.worker.simulator.cameras import SimulatedLine, SourceImage
from stripwatch.worker.simulator.dataset_writer import write_dataset
from stripwatch.worker.simulator.defect_shapes import NOVEL_DEFECTS
from stripwatch.worker.simulator.playback import play_on_kafka, sent_outcome
from stripwatch.worker.simulator.raw_frames import pack_raw, require_pixel_format
from stripwatch.worker.simulator.scene import CLEAN, KINDS, Scene, encode_jpeg, frame_seed, render
from stripwatch.worker.simulator.surface import Shape

_DEFECT_KINDS = [kind for kind in KINDS if kind != CLEAN]
_NOVEL_KINDS = tuple(NOVEL_DEFECTS)
_SIDE_PX = range(64, 4097)


@settings_as_options
def simulate(
    out: options.TrainingSetFolder = None,
    bootstrap_servers: options.SendTo = "",
    frames: options.Frames = 0,
    shape: options.FrameShape = "200x200",
    seed: options.Seed = 1,
    brightness: options.Brightness = 1.0,
    cameras: options.Cameras = 4,
    rate: options.Rate = 10.0,
    seconds: options.Seconds = 0.0,
    defect_share: options.DefectShare = 0.3,
    novel_share: options.NovelShare = None,
    coil_frames: options.CoilFrames = 500,
    mm_per_frame: options.MmPerFrame = 0.0,
    pool: options.Pool = 300,
    pixel_format: options.PixelFormatName = None,
    topic: FramesTopic = topics.FRAMES,
    sent: options.SentPath = None,
    config: SecurityConfig = None,
    security: SecuritySet = None,
    json_file: JsonFile = None,
) -> None:
    """Simulate a hot-rolled strip with scratches, pits, inclusions, patches, edge cracks and clean stretches.

    With --out it writes a training set: files LABEL_NUMBER.jpg, the same number per label, and truth.jsonl with the
    boxes of the defects:

        stripwatch simulate --out strips --frames 6000 --shape 200x200 --seed 1

    With --bootstrap-servers it runs cameras that send to Kafka. They repeat a pool of frames that is rendered first,
    so that the worker has the CPU:

        stripwatch simulate --bootstrap-servers localhost:9092 --cameras 4 --rate 25 --seconds 60 --sent sent.jsonl

    --novel-share adds frames with a kind of defect that is in no training set. A model that knows what it does not know
    reports them as novel.

    --brightness shows the same strip in a different light, to try the worker's drift metrics.

    --pixel-format makes the cameras send raw buffers, with their layout in the record headers.

    SIGTERM and Ctrl-C stop the cameras cleanly.
    """
    height_width = parse_shape(shape)
    of_cameras = {"--pixel-format": pixel_format, "--sent": sent, "--novel-share": novel_share}
    _check_options(out, bootstrap_servers, of_cameras)
    if pixel_format is not None:
        require_pixel_format(pixel_format)
    if out:
        finish(_simulate_set(out, frames, height_width, seed, brightness), json_file)
        return
    require_place("--sent", sent, new=True)
    line = SimulatedLine(cameras, rate, mm_per_frame or height_width[1], f"S{seed}", coil_frames)
    total = frames * cameras or None
    client = ClientConfig(bootstrap_servers, security_of(config, security))
    require_topic(client, topic)  # fail before the pool is rendered, which takes a while
    shots = render_pool(
        min(pool, total or pool), height_width, seed, defect_share, brightness, pixel_format, novel_share or 0
    )
    summary = _send(shots, seed, line, client, topic, seconds, total, sent)
    finish(sent_outcome(summary, bootstrap_servers, config, sent), json_file)


def _send(
    pool: list[SourceImage],
    seed: int,
    line: SimulatedLine,
    client: ClientConfig,
    topic: str,
    seconds_max: float,
    frames: int | None,
    sent_path: Path | None,
) -> dict[str, Any]:
    """Send the images of the pool as frames of the line. frames: total number; None sets no limit."""
    summary = play_on_kafka(
        itertools.islice(repeat_pool(pool, seed), frames),
        line,
        client=client,
        topic=topic,
        seconds_max=seconds_max,
        frames_total=frames,
        sent_path=sent_path,
    )
    return summary | {"pool_frames": len(pool), "seed": seed}


def _check_options(out: Path | None, bootstrap_servers: str, of_cameras: Mapping[str, object]) -> None:
    """Raise SettingsError for mutually exclusive options. of_cameras: options that --out would ignore, by name."""
    if bool(out) == bool(bootstrap_servers):
        raise SettingsError(
            "simulate takes either --out DIR (a training set) or --bootstrap-servers HOST:PORT (cameras)"
        )
    given = [name for name, value in of_cameras.items() if value is not None]
    if out and given:
        raise SettingsError(f"{given[0]} applies to cameras only; omit it with --out")


def render_pool(
    frames: int,
    shape: Shape,
    seed: int,
    defect_share: float,
    brightness_factor: float = 1.0,
    pixel_format: str | None = None,
    novel_share: float = 0.0,
) -> list[SourceImage]:
    """Render distinct frames, each with a defect with the given probability; all kinds are equally likely.

    pixel_format: format of raw buffers; None for JPEG files. novel_share: probability of a defect that no training set
    has, which replaces whatever the frame would show otherwise.
    """
    rng, novel_rng = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 2])
    with new_progress() as progress:
        return [
            _shot(
                render(
                    _draw_kind(defect_share, rng, novel_share, novel_rng),
                    shape,
                    frame_seed(seed, number),
                    brightness_factor,
                ),
                pixel_format,
            )
            for number in progress.track(range(frames), description="rendering")
        ]


def repeat_pool(pool: list[SourceImage], seed: int) -> Iterator[SourceImage]:
    """Yield the pool repeatedly, each time in a different order determined by the seed."""
    rng = np.random.default_rng([seed, 1])
    while True:
        for index in rng.permutation(len(pool)):
            yield pool[index]


def _simulate_set(out: Path, frames: int, shape: Shape, seed: int, brightness: float) -> Outcome:
    if not frames:
        raise SettingsError("simulate --out needs --frames N, the number of frames to write")
    write_dataset(out, frames, shape, seed, brightness)
    labels = Counter(KINDS[number % len(KINDS)] for number in range(frames))
    size = {"height_px": shape[0], "width_px": shape[1]}
    summary = {"out": str(out), "frames": frames, "labels": dict(labels), **size, "seed": seed}
    return Outcome(summary, next_steps=[command_text("train", "survey", out)])


def _shot(scene: Scene, pixel_format: str | None) -> SourceImage:
    if pixel_format is not None:
        buffer, layout = pack_raw(scene.pixels, pixel_format)
        return SourceImage(buffer, "application/octet-stream", label=scene.label, boxes=scene.boxes, layout=layout)
    return SourceImage(encode_jpeg(scene.pixels), "image/jpeg", label=scene.label, boxes=scene.boxes)


def _draw_kind(
    defect_share: float, rng: np.random.Generator, novel_share: float, novel_rng: np.random.Generator
) -> str:
    """Return the kind of a frame. With two generators, novel frames do not change the others of a seed."""
    kind = _DEFECT_KINDS[rng.integers(len(_DEFECT_KINDS))]
    known = kind if rng.random() < defect_share else CLEAN
    return _NOVEL_KINDS[0] if novel_rng.random() < novel_share else known


def parse_shape(text: str) -> Shape:
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    sides = [int(side) for side in match.groups()] if match else []
    if not match or not all(side in _SIDE_PX for side in sides):
        raise SettingsError(f"--shape must be HEIGHTxWIDTH with 64 to 4096 px each, such as 256x1600, not {text!r}")
    return sides[0], sides[1]
