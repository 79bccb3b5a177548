"""Options of `stripwatch train fit`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from stripwatch.export.runs.run_folder import BestBy, Head, Keep, Loss, Maps, Optimizer, PrecisionChoice, Schedule
from stripwatch.training.fitting.fit_settings import CopyChoice, DecodeName
from stripwatch.training.fitting.training_defaults import COPIES, FINE_TUNE_DECAY, by_kind
from stripwatch.training.networks.several_maps import SEVERAL_MAPS

NETWORKS = (
    "vgg19, efficientnetb0, xception, inceptionv3, mobilenet, mobilenetv3large, efficientnetv2b0, resnet50v2, "
    "efficientnetlite0, densenet121"
)
DataFolders = Annotated[
    list[Path],
    typer.Option(help="Folder of image files, read with all its subfolders. Repeat the option to add more folders."),
]
RecipeName = Literal["default", "paper-baseline"]

Network = Annotated[str, typer.Option(help=f"Backbone network: {NETWORKS}.")]
NewRunFolder = Annotated[Path, typer.Option(help="Run folder to create.")]
Alpha = Annotated[float, typer.Option(min=0.05, max=2, help="Width multiplier, for networks that have one.")]
Batch = Annotated[int, typer.Option(min=1, help="Number of frames per training step.")]
Seed = Annotated[
    int, typer.Option(min=0, help="Random seed of the split, the initial weights and the order of the frames.")
]
EarlierSplit = Annotated[
    Path | None, typer.Option(help="run.json of an earlier run whose split is used. Default: a new split.")
]
Dropout = Annotated[float, typer.Option(min=0, max=0.9, help="Dropout rate of the head.")]
Cut = Annotated[
    str,
    typer.Option(
        metavar="[before:]LAYER",
        help="Last layer of the backbone. before:LAYER ends it with the input of LAYER. Default: the whole network.",
    ),
]
HeadOption = Annotated[
    Head,
    typer.Option(
        "--head",
        help="Head of the network. gap: global average pooling and one dense layer. "
        "paper-baseline: 5x5 average pooling and a hidden layer of 512 units, as in "
        "github.com/suhasmaddali/Steel-Defect-Detection-Challenge. "
        "dense: a classifier for each cell of the feature map, fitted on boxes or masks, which also locates defects.",
    ),
]
Recipe = Annotated[
    RecipeName,
    typer.Option(
        help="Preset of options. paper-baseline: head paper-baseline, Adam at a constant learning rate of 0.001, "
        "batches of 64, dropout 0.2, cross-entropy without label smoothing or class weights, unscaled features, no "
        "augmentation, no fine-tuning. It overrides these options."
    ),
]
ScheduleOption = Annotated[
    Schedule,
    typer.Option(
        "--schedule",
        help="Learning rate schedule. cosine: decays to 0 over a stage. plateau: multiplied by 0.3 after 3 epochs "
        "without a lower val_loss. constant: unchanged.",
    ),
]
OptimizerOption = Annotated[
    Optimizer, typer.Option("--optimizer", help="Optimizer. adamw is Adam with weight decay (see --weight-decay).")
]
WeightDecay = Annotated[
    float | None,
    typer.Option(
        min=0,
        help=f"Weight decay of adamw. {by_kind('weight_decay')} With changed copies of the frames, an epoch has more "
        f"steps, and the default is divided by the same factor. Fine-tuning always uses {FINE_TUNE_DECAY:g}.",
    ),
]
LossOption = Annotated[
    Loss, typer.Option("--loss", help="Loss function. focal gives frames that are already correct less weight.")
]
LabelSmoothing = Annotated[
    float, typer.Option(min=0, max=0.5, help="Label smoothing: share of each target spread evenly. 0 disables it.")
]
ClassWeights = Annotated[
    bool, typer.Option("--class-weights", help="Weight classes so that rare ones count as much as common ones.")
]
BestByOption = Annotated[
    BestBy,
    typer.Option("--best-by", help="Metric that selects the epoch to keep. val_macro_f1 weights all labels equally."),
]
Patience = Annotated[
    int, typer.Option(min=0, help="Stop a stage after this many epochs without improvement. 0 disables early stopping.")
]
FineTune = Annotated[
    int,
    typer.Option(
        min=0,
        help="Number of epochs in which the last layers of the backbone are fine-tuned, after the head. 0: none.",
    ),
]
FineTuneFrom = Annotated[
    str, typer.Option(metavar="LAYER", help="First layer to fine-tune. Default: the last third of the layers.")
]
FineTuneRate = Annotated[float, typer.Option(min=1e-8, help="Initial learning rate of fine-tuning.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Continue an interrupted fit. All other settings must be the same.")
]
ScaleFeatures = Annotated[
    bool,
    typer.Option(
        "--scale-features/--raw-features",
        help="Scale the features of a frozen backbone before the head is fitted. The scale is folded into the model.",
    ),
]
Weights = Annotated[
    str,
    typer.Option(
        help="Pretrained weights: imagenet (downloaded), or a Keras weights file without top layers. "
        "none starts from random weights and fits every layer."
    ),
]
MapsOption = Annotated[
    Maps | None,
    typer.Option(
        "--maps",
        help="Feature maps that the gap head reads. last: the last one of the backbone. several: also up to two "
        "earlier ones, which show texture better and cost hardly any time per frame. Default: several for the gap head "
        f"on a frozen backbone without fine-tuning if the network is {', '.join(SEVERAL_MAPS[:-1])} or "
        f"{SEVERAL_MAPS[-1]}, else last.",
    ),
]
DecodeOption = Annotated[
    DecodeName,
    typer.Option(
        "--decode",
        help="Decoding of image files, in training and on the line. grey uses brightness only. /2, /4 and /8 shrink "
        "JPEG images by that factor while decoding. Grey and shrunk images save the worker time. auto: grey "
        "if no image has colour, else rgb; scaled if all are large JPEG images and validation images show no loss.",
    ),
]
LevelsOption = Annotated[
    str,
    typer.Option(
        "--levels",
        metavar="full|auto|BLACK,WHITE",
        help="Mapping of samples with more than 8 bits to 8 bits. full: the upper 8 bits. BLACK,WHITE: the values that "
        "become 0 and 255, as shares of the full scale. auto: the 0.1 and 99.9 percentiles of the training frames.",
    ),
]
InputSize = Annotated[
    str,
    typer.Option(
        "--input",
        metavar="HxW",
        help="Input size of the network, height x width in pixels. Default: the size it was published with.",
    ),
]
KeepOption = Annotated[
    Keep,
    typer.Option(
        help="Epoch to keep. best: the best one on validation frames. last: the last one, so that validation frames "
        "select nothing."
    ),
]
Epochs = Annotated[int | None, typer.Option(min=1, help=f"Number of epochs before fine-tuning. {by_kind('epochs')}")]
Augment = Annotated[
    bool,
    typer.Option(
        "--augment",
        help="Randomly flip, shift, blur and relight training frames and add dirt. A head on a frozen backbone learns "
        "from changed copies of each frame (see --augment-copies); layers that are fitted read changed frames in each "
        "epoch.",
    ),
]
AugmentCopies = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Number of changed copies of each training frame (see --copy-changes). The frozen backbone computes their "
        "features once; each copy takes as long as the frames themselves. 0: no copies; with --augment, change "
        f"the frames in each epoch instead, which takes one pass of the backbone per epoch. Default: {COPIES}.",
    ),
]
CopyChanges = Annotated[
    CopyChoice | None,
    typer.Option(
        "--copy-changes",
        help="Changes of the copies of training frames that a head on a frozen backbone learns from, together with the "
        "novelty detector. strong: light, shading, dust, focus, motion, noise, JPEG compression, zoom and orientation, "
        "as the stress test of evaluate changes them, so that the model withstands them. mild: as --augment. none: no "
        "copies. Default: mild with --augment, else strong for the gap head without fine-tuning, else none.",
    ),
]
LearningRate = Annotated[
    float | None, typer.Option(min=1e-7, help=f"Initial learning rate. {by_kind('learning_rate')}")
]
Boxes = Annotated[
    Path | None,
    typer.Option(
        help="Boxes, polygons or masks of defects: a folder with annotation files, also in subfolders, or one file. "
        "The layouts annotated, kolektor, mvtec and severstal have their own and need no --boxes."
    ),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        help="Folder in which the features of a frozen backbone are kept for later fits on the same data. "
        "Default: the run folder, until the run is finished."
    ),
]
NoveltyFalseAlarms = Annotated[
    float | None,
    typer.Option(
        "--novelty-false-alarms",
        metavar="SHARE",
        help="Share of frames of known kinds that the worker may report as novel, greater than 0 and less than 0.5. "
        "The threshold of the novelty score is chosen on training frames for this share. Default: 0.01.",
    ),
]
NoNovelty = Annotated[
    bool, typer.Option("--no-novelty", help="Fit no novelty detector, so that the model has no novelty score.")
]
MmPerPx = Annotated[
    list[float] | None,
    typer.Option(
        "--mm-per-px",
        help="Image scale along the strip, in millimetres per pixel: once for all data, or once for each --data in the "
        "same order. The worker then flags cameras with another scale.",
    ),
]
PrecisionOption = Annotated[
    PrecisionChoice,
    typer.Option(
        "--precision",
        help="Arithmetic of the fit. auto: mixed_float16 if every GPU is fast in it, else float32. "
        "The saved model is always float32.",
    ),
]
