"""`stripwatch replay`: sends the image files of a folder as frames of cameras."""

from collections.abc import Iterator
from pathlib import Path

from stripwatch.worker.broker.connection import ClientConfig
from stripwatch.worker.common.errors import InputError
from stripwatch.worker.common.folders import require_outside, require_place
from stripwatch.worker.common.path_text import name_below, path_text
from stripwatch.worker.common.terminal.console import say
from stripwatch.worker.common.terminal.file_counts import FileCounts
from stripwatch.worker.common.terminal.outcome import JsonFile, finish
from stripwatch.worker.config.command_line.cli_options import (
    BootstrapServers,
    FramesTopic,
    ImageFolderArgument,
    SecurityConfig,
    SecuritySet,
    security_of,
)
from stripwatch.worker.config.command_line.setting_options import settings_as_options
from stripwatch.worker.contracts import topics
from stripwatch.worker.images.image_files import ImageFolder, content_type_of, list_images
from stripwatch.worker.simulator import cli_options as options
from stripwatch.worker.simulator.cameras import SimulatedLine, SourceImage
from stripwatch.worker.simulator.playback import play_on_kafka, sent_outcome


class Playback:
    """The image files of a folder as source images. unreadable: files that could not be read when they were due."""

    def __init__(self, images: ImageFolder) -> None:
        self.images = images
        self.unreadable: set[Path] = set()

    @property
    def counts(self) -> FileCounts:
        """Return how many files have been used and skipped."""
        return self.images.counts(name_below(self.images.root, path) for path in self.unreadable)

    def shots(self, loop: bool) -> Iterator[SourceImage]:
        """Yield the files once, or repeatedly if `loop`, each read when it is due and unmodified.

        A file that cannot be read is reported and skipped. Raises InputError if no file can be read.
        """
        while True:
            played = 0
            for file in self.images.files:
                try:
                    shot = self._read(file)
                except OSError as error:
                    self._leave_out(file, error)
                    continue
                played += 1
                yield shot
            if not played:
                raise InputError(f"cannot read any image file in {path_text(self.images.root)}")
            if not loop:
                return

    def _read(self, file: Path) -> SourceImage:
        return SourceImage(file.read_bytes(), content_type_of(file), file=name_below(self.images.root, file))

    def _leave_out(self, file: Path, error: OSError) -> None:
        if file not in self.unreadable:
            self.unreadable.add(file)
            say(f"skipping a file: cannot read {path_text(file)}: {error.strerror}")


def find_images(root: Path) -> ImageFolder:
    """List the image files of a folder, and report skipped files on stderr. Raises InputError if there are none."""
    images = list_images(root)
    for note in images.notes:
        say(note)
    return images


@settings_as_options
def replay(
    folder: ImageFolderArgument,
    bootstrap_servers: BootstrapServers,
    cameras: options.Cameras = 4,
    rate: options.Rate = 10.0,
    coil: options.Coil = "C0001",
    mm_per_frame: options.StripMmPerFrame = 1000.0,
    loop: options.Loop = False,
    seconds: options.Seconds = 0.0,
    topic: FramesTopic = topics.FRAMES,
    sent: options.SentPath = None,
    config: SecurityConfig = None,
    security: SecuritySet = None,
    json_file: JsonFile = None,
) -> None:
    """Send a folder of images to Kafka as frames of cameras: the files in order of name, the cameras in rotation.

    The bytes are sent unmodified, even those of a damaged file: handling it is the worker's task. Files of other types,
    hidden files and links to folders are skipped, reported and counted.

        stripwatch replay photos --bootstrap-servers localhost:9092 --cameras 4 --rate 25 --sent sent.jsonl

    SIGTERM and Ctrl-C stop it cleanly.
    """
    require_outside("--sent", sent, [folder])
    require_place("--sent", sent, new=True)
    images = find_images(folder)
    playback = Playback(images)
    summary = play_on_kafka(
        playback.shots(loop),
        SimulatedLine(cameras=cameras, rate_fps=rate, mm_per_frame=mm_per_frame, coil=coil),
        client=ClientConfig(bootstrap_servers, security_of(config, security)),
        topic=topic,
        seconds_max=seconds,
        frames_total=None if loop else len(images.files),
        sent_path=sent,
    )
    summary |= {"files": len(images.files), "files_skipped": len(images.skipped) + len(playback.unreadable)}
    finish(sent_outcome(summary, bootstrap_servers, config, sent, playback.counts), json_file)
