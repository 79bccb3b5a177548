"""Command `stripwatch train collect`."""

from stripwatch.training.labeling import cli_options as options
from stripwatch.worker.common.terminal.outcome import JsonFile, finish
from stripwatch.worker.config.command_line.cli_options import SecurityConfig, SecuritySet, security_of
from stripwatch.worker.config.command_line.setting_options import settings_as_options
from stripwatch.worker.contracts import topics


@settings_as_options
def collect(
    out: options.CollectedFolder,
    bootstrap_servers: options.FetchFrom = "",
    to: options.HandTo = None,
    from_: options.TakeFrom = None,
    again: options.Again = False,
    image_url: options.ImageUrl = "",
    sorted_: options.Sorted = False,
    labels: options.LabelsFile = None,
    new_labels: options.NewLabels = False,
    frames_max: options.NewFramesMax = 10_000,
    no_defect: options.NoDefect = "",
    only_novel: options.OnlyNovel = False,
    review_topic: options.ReviewTopic = topics.REVIEW,
    config: SecurityConfig = None,
    security: SecuritySet = None,
    json_file: JsonFile = None,
) -> None:
    """Collect frames that the model was unsure of and turn them into a training set.

    The worker also sends defects of an anomaly model, which have no class yet.

    1. Fetch the review frames from Kafka. They are stored in OUT/_unsorted/LABEL, where LABEL is the label predicted by
    the model; collected.csv records where each frame came from. Repeating the command adds new frames only; frames that
    you have moved or removed are left alone. Novel frames, which the model was not trained on, and defects of an
    anomaly model are stored in OUT/_unsorted/_novel, because no class of the model may fit. Frames that a person
    confirmed or corrected on the live page are stored in OUT/LABEL, with the label of the person, and need no sorting.

        stripwatch train collect --bootstrap-servers localhost:9092 --out review

    2. Check the frames. Move wrongly labelled ones, and all in _unsorted/_novel, to the right folder in _unsorted, and
    useless ones to _unsorted/_skip. For a new kind of defect, create a folder with its name and add --new-labels. Then
    accept the folders as labels:

        stripwatch train collect --out review --sorted

    Alternatively, take the labels from a table:

        stripwatch train collect --out review --labels labels.csv

    Or label them in Label Studio, CVAT or another tool, which gets the label, scores and boxes of the model:

        stripwatch train collect --out review --to label-studio

    Then take back what people corrected. Boxes are kept in OUT/boxes.json, which fit reads with --head dense:

        stripwatch train collect --out review --from export.json

    3. Retrain on the old and the new data:

        stripwatch train fit --data images --data review ... --out runs/next

    Training decodes frames of up to 36,000,000 bytes and 36,000,000 pixels, the default limits of the worker. If the
    worker settings allow more, collect counts larger raw buffers as unreadable, and fit rejects larger files.

    SIGTERM and Ctrl-C stop fetching cleanly.
    """
    from stripwatch.training.labeling.fetch import FetchSettings
    from stripwatch.training.labeling.steps import Steps
    from stripwatch.worker.broker.connection import ClientConfig

    fetch = None
    if bootstrap_servers:
        client = ClientConfig(bootstrap_servers, security_of(config, security))
        fetch = FetchSettings(client, review_topic, frames_max, no_defect, only_novel)
    how = (again, image_url, from_, sorted_, labels, new_labels, no_defect, only_novel)
    finish(Steps(out, fetch, to, *how).run(), json_file)
