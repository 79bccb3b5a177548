"""Options for data sets that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from stripwatch.export.runs.run_folder import FitTask, Task

Data = Annotated[list[Path], typer.Option(help="Folder of image files, read with all its subfolders.")]
Layout = Annotated[
    str,
    typer.Option(
        help="Layout of the data folder: prefix (files named CLASS_NUMBER.jpg or .bmp), folder (one folder per class), "
        "manifest (manifest.csv), severstal (train.csv with masks), collected (written by collect), mvtec (a category "
        "of MVTec AD), kolektor (each image has a mask beside it), annotated (labels of boxes, polygons or "
        "masks: VOC, COCO, YOLO, CVAT, Label Studio, labelme, masks with the names of their classes) or flat (no image "
        "has a label). auto detects it."
    ),
]
TestLayout = Annotated[
    str,
    typer.Option("--test-layout", help="Layout of the folder of --test; see --layout of `fit`. auto detects it."),
]
TaskOption = Annotated[
    Task,
    typer.Option("--task", help="Kind of labels. multiclass: one per frame. multilabel: any number per frame."),
]
FitTaskOption = Annotated[
    FitTask,
    typer.Option(
        "--task",
        help="multiclass: one label per frame. multilabel: any number of labels per frame. anomaly: train on clean "
        "frames only, and find whatever differs from them.",
    ),
]
MergeLabels = Annotated[
    bool,
    typer.Option(
        "--merge-labels",
        help="Merge classes whose names differ only in case, blanks, '-', '_' or the encoding of accents, such as "
        "'Pits' and 'pits'. The spelling of most images is kept.",
    ),
]
BoxesFormat = Annotated[
    str,
    typer.Option(
        "--boxes-format",
        help="Format of --boxes: voc, coco, yolo, cvat (CVAT for images 1.1), label-studio, labelme, masks (images in "
        "which the pixels of defects are not 0) or truth (truth.jsonl as written by simulate). auto detects it from "
        "the content of the files.",
    ),
]
ValShare = Annotated[float, typer.Option(min=0.01, max=0.9, help="Share of each class used for validation.")]
CleanLabel = Annotated[
    str | None,
    typer.Option(help='Label that means "no defect". Default in multiclass: "clean" if some images have no label.'),
]
BitDepth = Annotated[
    int | None,
    typer.Option(
        "--bit-depth",
        help="Significant bits, 9 to 16, of 16-bit files that do not declare them, such as 12 for a 12-bit camera.",
    ),
]
Unknown = Annotated[
    list[Path] | None,
    typer.Option(
        help="Folder of images that the model should not know, such as other steel or a new defect. All images in it "
        "are used, whatever their labels. Measures how many the novelty detector finds. Repeatable."
    ),
]
StressFrames = Annotated[
    int,
    typer.Option(
        min=0,
        help="Number of frames (in crossval: of each fold) that are changed on purpose to measure what the model "
        "withstands. 0 omits the test.",
    ),
]
LeaveOneOut = Annotated[
    bool,
    typer.Option(
        "--leave-one-out/--no-leave-one-out",
        help="Leave out each class in turn, and measure how many of its frames a model without it finds novel.",
    ),
]
