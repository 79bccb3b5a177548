"""The commands of export, which `stripwatch` offers as the group `export`. `python -m export` has them alone."""

from stripwatch.worker.common.command_line import PROGRAM, LazyCommand, new_app, run_app

_EXPORT = "stripwatch.export"
COMMANDS = (
    LazyCommand(
        "run",
        f"{_EXPORT}.convert.commands:run",
        "Export a run: convert, prove that ONNX Runtime computes what Keras computes, write.",
    ),
    LazyCommand(
        "verify",
        f"{_EXPORT}.convert.commands:verify",
        "Prove from the file alone that a bundle is whole, unchanged, and computes what was trained.",
    ),
    LazyCommand(
        "show",
        f"{_EXPORT}.bundles.commands:show",
        "Print what a bundle says of itself, after its checksum was verified.",
    ),
    LazyCommand(
        "bench",
        f"{_EXPORT}.bench.command:bench",
        "Measure frames per second and latency by batch size, on this machine, as the worker runs a bundle.",
    ),
    LazyCommand(
        "diff",
        f"{_EXPORT}.bundles.commands:diff",
        "Compare two bundles on a folder of frames: how often the worker would give the same answer.",
    ),
    LazyCommand(
        "promote",
        f"{_EXPORT}.bundles.commands:promote",
        "Put a bundle into a store (made if it is not there), as STORE/NAME/VERSION.onnx, and point STORE/NAME at it.",
    ),
    LazyCommand(
        "rollback",
        f"{_EXPORT}.bundles.commands:rollback",
        "Point a name at what was promoted before, after that has passed its self-test again.",
    ),
    LazyCommand(
        "list",
        f"{_EXPORT}.bundles.commands:list_bundles",
        "List the bundles of a store, which are promoted, and what is wrong with any that cannot be used.",
    ),
)
app = new_app("Make a bundle: one ONNX file that says what it is and proves what it computes.", COMMANDS)


def main() -> None:
    run_app(app, f"{PROGRAM} export")
