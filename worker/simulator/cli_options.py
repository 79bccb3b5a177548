"""Options of `stripwatch simulate` and `stripwatch replay`."""

from pathlib import Path
from typing import Annotated

import typer

from stripwatch.worker.config.command_line.cli_options import servers_option

Cameras = Annotated[int, typer.Option(min=1, max=1000, help="Number of cameras, named top-1, top-2, ...")]
Rate = Annotated[float, typer.Option(min=0, help="Frames per second per camera. 0 is as fast as possible.")]
Seconds = Annotated[float, typer.Option(min=0, help="Stop after this many seconds. 0 sets no limit.")]
SentPath = Annotated[
    Path | None,
    typer.Option(
        "--sent",
        metavar="FILE",
        help="Write a JSON line per frame acknowledged by the broker. The file is named FILE.part until the run ends.",
    ),
]
TrainingSetFolder = Annotated[Path | None, typer.Option(metavar="DIR", help="Write a training set to this new folder.")]
SendTo = Annotated[
    str,
    typer.Option(
        help="Send frames to these Kafka brokers, HOST:PORT[,HOST:PORT...], instead of --out.",
        callback=servers_option,
    ),
]
Frames = Annotated[
    int, typer.Option(min=0, help="Number of frames: in total with --out, else per camera (0 sets no limit).")
]
FrameShape = Annotated[str, typer.Option(help="Frame size, height x width in px, such as 200x200 or 256x1600.")]
Seed = Annotated[int, typer.Option(min=0, help="Random seed. The same seed gives the same frames.")]
Brightness = Annotated[
    float,
    typer.Option(min=0, max=10, help="Factor for every pixel: 0.6 simulates an ageing lamp, 0 darkness, 1.5 glare."),
]
DefectShare = Annotated[float, typer.Option(min=0, max=1, help="Share of camera frames with a defect.")]
NovelShare = Annotated[
    float | None,
    typer.Option(
        min=0, max=1, help="Share of camera frames with chatter marks, a kind of defect that no training set has."
    ),
]
CoilFrames = Annotated[
    int, typer.Option(min=0, help="Start a new coil after this many frames per camera. 0 is a single coil.")
]
MmPerFrame = Annotated[
    float, typer.Option(min=0, help="Distance in mm between two frames of a camera. 0 uses the frame width at 1 mm/px.")
]
Pool = Annotated[
    int, typer.Option(min=1, help="Number of distinct frames, rendered before the start and repeated in seeded order.")
]
PixelFormatName = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Send raw buffers of this GenICam format, such as Mono12p, instead of JPEG."),
]
Coil = Annotated[str, typer.Option(help="Coil id of all frames.")]
StripMmPerFrame = Annotated[
    float, typer.Option(min=0, help="Distance in mm that the strip moves between two frames of a camera.")
]
Loop = Annotated[bool, typer.Option("--loop", help="Repeat the folder until stopped.")]
