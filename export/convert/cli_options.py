"""Options of `stripwatch export run`."""

from pathlib import Path
from typing import Annotated

import typer

from stripwatch.worker.model.bundle import Precision

NewBundle = Annotated[Path, typer.Option(help="Bundle file to write. An existing file is never overwritten.")]
ModelName = Annotated[
    str | None, typer.Option(help="Model name. Default: data folder and network, joined by a hyphen.")
]
ModelVersion = Annotated[str, typer.Option(help="Model version.")]
GoldenFrames = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Number of golden frames. Default: two per label, at most twelve, but never fewer than one per label.",
    ),
]
PrecisionOption = Annotated[
    Precision,
    typer.Option(
        "--precision",
        help="Numeric precision of the bundle. fp16 and int8 are smaller, and faster on devices that support them.",
    ),
]
AgreementMin = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="Minimum share of validation frames with the same predicted labels as Keras. "
        "Default: 1 for fp32, 0.995 for fp16, 0.98 for int8.",
    ),
]
ScoreDifferenceMax = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="Maximum difference of any score from Keras. Default: 0.00005 for fp32, 0.2 for fp16, 0.5 for int8.",
    ),
]
AccuracyDropMax = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=100,
        help="Maximum loss of accuracy, in percentage points. Default: 0 for fp32, 0.1 for fp16, 0.5 for int8.",
    ),
]
F1DropMax = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=100,
        help="Maximum loss of macro-F1, in percentage points. Default: 0 for fp32, 0.1 for fp16, 0.5 for int8.",
    ),
]
NoveltyAgreementMin = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="Minimum share of validation frames that both or neither of Keras and the bundle call novel. "
        "Default: 1 for fp32, 0.995 for fp16, 0.98 for int8.",
    ),
]
FalseAlarmRiseMax = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=100,
        help="Maximum rise of the share of validation frames that are called novel, in percentage points. "
        "Default: 0 for fp32, 0.5 for fp16, 1 for int8.",
    ),
]
BoxAgreementMin = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="Minimum share of validation frames with a defect whose best predicted box overlaps that of Keras by "
        "half or more. Default: 0.99 for fp32, 0.98 for fp16, 0.9 for int8.",
    ),
]
