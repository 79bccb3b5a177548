"""Command group `stripwatch train`, also available as `python -m training`."""

from stripwatch.worker.common.terminal.command_line import PROGRAM, LazyCommand, new_app, run_app

_TRAINING = "stripwatch.training"
COMMANDS = (
    LazyCommand("fit", f"{_TRAINING}.fitting.command:fit", "Train a classifier on a folder of labelled images."),
    LazyCommand(
        "evaluate",
        f"{_TRAINING}.evaluation.command:evaluate",
        "Evaluate a finished run: accuracy, calibration and thresholds, with plots and an HTML report.",
    ),
    LazyCommand(
        "survey",
        f"{_TRAINING}.survey.command:survey",
        "Report on a data set: class balance, image sizes, duplicates, unreadable files, and everything to correct.",
    ),
    LazyCommand(
        "collect",
        f"{_TRAINING}.labeling.command:collect",
        "Collect frames that the model was unsure of and turn them into a training set.",
    ),
    LazyCommand(
        "crossval",
        f"{_TRAINING}.experiments.commands:crossval",
        "Cross-validate a network: every image is scored once, by a model that was not fitted on it.",
        passes_on=True,  # unknown options go to fit
    ),
    LazyCommand(
        "compare",
        f"{_TRAINING}.experiments.commands:compare",
        "Compare networks on the same split by accuracy, size and inference speed, and choose a winner.",
        passes_on=True,  # unknown options go to fit
    ),
    LazyCommand(
        "frontier",
        f"{_TRAINING}.experiments.frontier_command:frontier",
        "Find the model that costs the least processor time per frame for the accuracy that is needed.",
    ),
    LazyCommand(
        "convert-weights",
        f"{_TRAINING}.weights.command:convert_weights",
        "Convert a published checkpoint of PyTorch or TensorFlow to a Keras weights file for fit.",
    ),
)
app = new_app("Train, evaluate and compare classifiers for strip images, and prepare their data.", COMMANDS)


def main() -> None:
    run_app(app, f"{PROGRAM} train")
