"""Options of `fit` that take more than a line."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from stripwatch.export.runs.run_folder import BestBy, Head, Keep, Loss, Optimizer, PrecisionChoice, Schedule
from stripwatch.training.fitting.fit_settings import DecodeName

NETWORKS = (
    "vgg19, efficientnetb0, xception, inceptionv3, mobilenet, mobilenetv3large, efficientnetv2b0, resnet50v2, "
    "densenet121"
)
DataFolders = Annotated[
    list[Path], typer.Option(help="Folder of image files, read with all its subfolders; given again, one more.")
]
RecipeName = Literal["default", "paper-baseline"]

Cut = Annotated[
    str,
    typer.Option(
        metavar="[before:]LAYER", help="End the backbone with this layer, or with what it takes; whole if not given."
    ),
]
HeadOption = Annotated[
    Head,
    typer.Option(
        "--head",
        help="gap: mean over places. paper-baseline: 5x5 pooling, dense 512, as in "
        "github.com/suhasmaddali/Steel-Defect-Detection-Challenge. dense: a classifier at each "
        "place, fitted on boxes or masks; says where.",
    ),
]
Recipe = Annotated[
    RecipeName,
    typer.Option(
        help="paper-baseline: the head of that name, Adam at a constant 0.001, batches of 64, dropout 0.2, "
        "features as they are; this wins over other flags."
    ),
]
ScheduleOption = Annotated[
    Schedule,
    typer.Option(
        "--schedule",
        help="Of the rate. cosine: falls to 0 over a stage. plateau: falls when val_loss does not. constant: stays.",
    ),
]
OptimizerOption = Annotated[Optimizer, typer.Option("--optimizer", help="adamw lets weights decay.")]
WeightDecay = Annotated[
    float | None, typer.Option(min=0, help="Of adamw; else 1 for a gap head on a frozen backbone, 0.004 for all else.")
]
LossOption = Annotated[Loss, typer.Option("--loss", help="focal: frames that are right already count less.")]
LabelSmoothing = Annotated[float, typer.Option(min=0, max=0.5, help="Share of certainty taken from the targets.")]
ClassWeights = Annotated[bool, typer.Option("--class-weights", help="Rare classes weigh as much as common ones.")]
BestByOption = Annotated[
    BestBy,
    typer.Option(
        "--best-by", help="What names the best epoch, which is kept. val_macro_f1: rare labels count as much."
    ),
]
Patience = Annotated[int, typer.Option(min=0, help="Epochs without a better one that end a stage; 0: none do.")]
FineTune = Annotated[int, typer.Option(min=0, help="Epochs of the last layers of the backbone, after the head.")]
FineTuneFrom = Annotated[
    str, typer.Option(metavar="LAYER", help="The first layer to fine-tune; the last third of them if not given.")
]
FineTuneRate = Annotated[float, typer.Option(min=1e-8, help="First rate of fine-tuning.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with a fit that was killed, with the same settings.")]
ScaleFeatures = Annotated[
    bool,
    typer.Option("--scale-features/--raw-features", help="Scale what the backbone gives before the head is fitted."),
]
Weights = Annotated[
    str,
    typer.Option(help="imagenet (downloads), a Keras weights file without top, or none: fit every layer."),
]
DecodeOption = Annotated[
    DecodeName,
    typer.Option(
        "--decode",
        help="What the network sees of a file, in training and on the line. grey: brightness alone. /2, /4, /8: shrunk "
        "so much inside the JPEG decoder. Both take the worker less time.",
    ),
]
LevelsOption = Annotated[
    str,
    typer.Option(
        "--levels",
        metavar="full|auto|BLACK,WHITE",
        help="How more than 8 bits become 8. full: the upper 8 bits. BLACK,WHITE: what becomes 0 and 255, as shares of "
        "the full scale. auto: the 0.1 and 99.9 percentiles of the training frames.",
    ),
]
InputSize = Annotated[
    str, typer.Option("--input", metavar="HxW", help="Pixels the network sees; its usual size if not given.")
]
KeepOption = Annotated[
    Keep, typer.Option(help="Epoch to keep: best on validation frames, or last, so that those choose nothing.")
]
Augment = Annotated[
    bool, typer.Option("--augment", help="Flip, shift, relight, soil and blur frames; reads them again each epoch.")
]
LearningRate = Annotated[
    float | None,
    typer.Option(
        min=1e-7,
        help="First rate; else 0.01 for head gap, 0.003 for dense and for all layers, 0.001 for paper-baseline.",
    ),
]
Boxes = Annotated[
    Path | None,
    typer.Option(help="VOC XML folder, or truth.jsonl of simulate: what lies where. Layout severstal has masks."),
]
Cache = Annotated[
    Path | None, typer.Option(help="Folder that keeps what a frozen backbone gives, for later fits on the same data.")
]
MmPerPx = Annotated[
    list[float] | None,
    typer.Option(
        "--mm-per-px",
        help="Millimetres of strip a pixel shows, along the strip: once for all data, or once for each --data in turn. "
        "The worker then flags cameras of another scale.",
    ),
]
PrecisionOption = Annotated[
    PrecisionChoice,
    typer.Option("--precision", help="Of the fit. auto: mixed_float16 where every GPU is fast in it, else float32."),
]
