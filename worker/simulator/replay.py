"""`stripwatch replay`: a folder of image files, played as if cameras took them."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from stripwatch.worker.common.console import print_summary
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.config.cli_options import RequiredBootstrapServers, SecurityConfig, security_of
from stripwatch.worker.contracts import topics
from stripwatch.worker.images.image_files import CONTENT_TYPES, list_images
from stripwatch.worker.simulator.cameras import SimulatedLine, SourceImage
from stripwatch.worker.simulator.playback import Cameras, Rate, Seconds, SentPath, Topic, play_on_kafka


@dataclass(frozen=True, slots=True)
class Folder:
    """The image files below a folder, sorted, and how many files of other types lie beside them."""

    root: Path
    files: tuple[Path, ...]
    files_skipped: int

    def shots(self, loop: bool) -> Iterator[SourceImage]:
        """Each file once, or over and over; read when it is due, its bytes as they are. Raises InputError."""
        while True:
            for file in self.files:
                yield self._read(file)
            if not loop:
                return

    def _read(self, file: Path) -> SourceImage:
        try:
            encoded = file.read_bytes()
        except OSError as error:
            raise InputError(f"cannot read {file}: {error.strerror}") from error
        name = os.fsencode(file.relative_to(self.root).as_posix()).decode("utf-8", "backslashreplace")
        return SourceImage(encoded, CONTENT_TYPES[file.suffix.lower()], file=name)


def find_images(root: Path) -> Folder:
    """Raises InputError if there are none."""
    images = tuple(list_images(root))
    return Folder(root, images, sum(path.is_file() for path in root.rglob("*")) - len(images))


def replay(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of JPEG and PNG files, searched in depth.")],
    bootstrap_servers: RequiredBootstrapServers,
    cameras: Cameras = 4,
    rate: Rate = 10.0,
    coil: Annotated[str, typer.Option(help="Coil id of all frames.")] = "C0001",
    mm_per_frame: Annotated[float, typer.Option(min=0, help="How far the strip runs from frame to frame.")] = 1000.0,
    loop: Annotated[bool, typer.Option("--loop", help="Start again at the end, until stopped.")] = False,
    seconds: Seconds = 0.0,
    topic: Topic = topics.FRAMES,
    sent: SentPath = None,
    config: SecurityConfig = None,
) -> None:
    """Play a folder of images as cameras on Kafka: the files in order of name, the cameras in turn.

    The bytes go out as they are, a broken file too: what to do with it is the worker's task. Files of other types are
    skipped and counted.

        stripwatch replay photos --bootstrap-servers localhost:9092 --cameras 4 --rate 25 --sent sent.jsonl

    SIGTERM and Ctrl-C end it in order. The last line on stdout is JSON.
    """
    images = find_images(folder)
    if images.files_skipped:
        typer.echo(f"skipping {images.files_skipped} files in {folder} that are no JPEG or PNG", err=True)
    summary = play_on_kafka(
        images.shots(loop),
        SimulatedLine(cameras=cameras, rate_fps=rate, mm_per_frame=mm_per_frame, coil=coil),
        bootstrap_servers=bootstrap_servers,
        security=security_of(config),
        topic=topic,
        seconds_max=seconds,
        frames_total=None if loop else len(images.files),
        sent_path=sent,
    )
    print_summary(summary | {"files": len(images.files), "files_skipped": images.files_skipped})
