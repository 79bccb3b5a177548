"""The commands of training, which `stripwatch` offers as the group `train`. `python -m training` has them alone."""

from stripwatch.worker.common.command_line import PROGRAM, LazyCommand, new_app, run_app

_TRAINING = "stripwatch.training"
COMMANDS = (
    LazyCommand("fit", f"{_TRAINING}.fitting.command:fit", "Train a classifier on a folder of labelled images."),
    LazyCommand(
        "evaluate",
        f"{_TRAINING}.evaluation.command:evaluate",
        "Measure a finished run: figures a label, calibration, thresholds, pictures and one report.html.",
    ),
    LazyCommand(
        "survey",
        f"{_TRAINING}.survey.command:survey",
        "Say what a data set holds: class balance, image sizes, copies, files that cannot be read.",
    ),
    LazyCommand(
        "collect",
        f"{_TRAINING}.labeling.command:collect",
        "Turn frames that the model was unsure of into a training set, in two steps.",
    ),
    LazyCommand(
        "crossval",
        f"{_TRAINING}.experiments.commands:crossval",
        "Cross-validate: fit on all folds but one, score that one, for each; one summary over all images.",
        passes_on=True,  # to fit
    ),
    LazyCommand(
        "compare",
        f"{_TRAINING}.experiments.commands:compare",
        "Compare networks on one split: accuracy, size, and speed through ONNX Runtime; a table, a plot and a winner.",
        passes_on=True,  # to fit
    ),
)
app = new_app("Train a classifier for strip images, and keep what was done in a run folder.", COMMANDS)


def main() -> None:
    run_app(app, f"{PROGRAM} train")
