"""The worker's commands, which `stripwatch` offers at its top level and `python -m worker` on their own."""

from stripwatch.worker.common.terminal.command_line import PROGRAM, LazyCommand, new_app, run_app

HELP = "Inspect moving steel strip: read camera frames from Kafka and publish defect events."
_WORKER = "stripwatch.worker"
COMMANDS = (
    LazyCommand("run", f"{_WORKER}.service.commands:run", "Inspect frames from Kafka until stopped."),
    LazyCommand(
        "check",
        f"{_WORKER}.service.commands:check",
        "Do everything that run does before its first frame, report every problem, and exit.",
    ),
    LazyCommand(
        "inspect",
        f"{_WORKER}.service.commands:inspect",
        "Inspect a folder of images without a broker, by the same steps as on the line.",
    ),
    LazyCommand(
        "view",
        f"{_WORKER}.dashboard.web.command:view",
        "Serve the live page: the strip map of each line, the newest defects, and the coils with their reports.",
    ),
    LazyCommand(
        "report",
        f"{_WORKER}.coils.commands:report",
        "Report the coils on Kafka: length, uncovered length, frames, and defects per class.",
    ),
    LazyCommand(
        "coils",
        f"{_WORKER}.coils.commands:coils",
        "Publish a summary of each coil when it has ended, until stopped.",
    ),
    LazyCommand(
        "topics",
        f"{_WORKER}.commands.topics:topics",
        "Create the topics of a line. Existing topics are left unchanged, and their differences are reported.",
    ),
    LazyCommand(
        "rejects",
        f"{_WORKER}.commands.rejects:rejects",
        "List rejected frames, and send them again.",
    ),
    LazyCommand(
        "config",
        f"{_WORKER}.commands.config:config",
        "Show the effective settings, and rewrite settings files from an earlier version.",
    ),
    LazyCommand(
        "schemas",
        f"{_WORKER}.commands.schemas:schemas",
        "Write JSON Schemas and an AsyncAPI 3 document of all Kafka records, generated from the code.",
    ),
    LazyCommand(
        "demo",
        f"{_WORKER}.bench.demo:demo",
        "Run cameras, Kafka and a worker on this machine, show the results live, and verify every frame at the end.",
    ),
    LazyCommand(
        "broker",
        f"{_WORKER}.bench.broker:broker",
        "Run a small Kafka-compatible broker on this machine, to try Stripwatch without Apache Kafka.",
    ),
    LazyCommand(
        "bench",
        f"{_WORKER}.bench.command:bench",
        "Measure how fast this machine inspects frames, the CPU cost of a frame, and the bottleneck.",
    ),
    LazyCommand(
        "simulate",
        f"{_WORKER}.simulator.simulate:simulate",
        "Simulate a hot-rolled strip with scratches, pits, inclusions, patches, edge cracks and clean stretches.",
    ),
    LazyCommand(
        "replay",
        f"{_WORKER}.simulator.replay:replay",
        "Send a folder of images to Kafka as frames of cameras: the files in order of name, the cameras in rotation.",
    ),
)
RENAMED = {"contracts": "schemas"}
app = new_app(HELP, COMMANDS, RENAMED)


def main() -> None:
    run_app(app, PROGRAM)
