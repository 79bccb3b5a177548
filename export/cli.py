"""Command group `stripwatch export`, also available as `python -m export`."""

from stripwatch.worker.common.terminal.command_line import PROGRAM, LazyCommand, new_app, run_app

_EXPORT = "stripwatch.export"
COMMANDS = (
    LazyCommand(
        "run",
        f"{_EXPORT}.convert.commands:run",
        "Export a run to a bundle after checking that ONNX Runtime reproduces the Keras scores.",
    ),
    LazyCommand(
        "verify",
        f"{_EXPORT}.convert.commands:verify",
        "Verify that a bundle is intact and reproduces the scores of the trained model.",
    ),
    LazyCommand(
        "show",
        f"{_EXPORT}.bundles.commands:show",
        "Verify the checksum of a bundle and print its metadata.",
    ),
    LazyCommand(
        "bench",
        f"{_EXPORT}.bench.command:bench",
        "Measure throughput and latency of bundles by batch size, using the worker's own inference session.",
    ),
    LazyCommand(
        "diff",
        f"{_EXPORT}.bundles.commands:diff",
        "Compare the results of two bundles on a folder of frames.",
    ),
    LazyCommand(
        "promote",
        f"{_EXPORT}.bundles.commands:promote",
        "Copy a bundle into a registry and make it the version that REGISTRY/NAME refers to.",
    ),
    LazyCommand(
        "rollback",
        f"{_EXPORT}.bundles.commands:rollback",
        "Promote the previously promoted version of a bundle again.",
    ),
    LazyCommand(
        "list",
        f"{_EXPORT}.bundles.commands:list_bundles",
        "List the bundles in a registry with their promotion status and any problems.",
    ),
)
app = new_app("Export trained models as bundles, and inspect, compare, measure and promote bundles.", COMMANDS)


def main() -> None:
    run_app(app, f"{PROGRAM} export")
