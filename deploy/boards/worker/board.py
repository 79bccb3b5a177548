"""The board for engineers."""

from deploy.boards.common import ALERTS, LINE, NEW_BUNDLE, OF_LINE
from deploy.boards.panels import Board, Variable
from deploy.boards.worker.coils import COILS
from deploy.boards.worker.evidence import EVIDENCE
from deploy.boards.worker.health import HEALTH
from deploy.boards.worker.kafka import KAFKA
from deploy.boards.worker.models import MODELS
from deploy.boards.worker.stages import STAGES
from deploy.boards.worker.throughput import THROUGHPUT

WORKER_BOARD = Board(
    "stripwatch-worker",
    "Stripwatch: worker",
    "For engineers: where time is spent, and which limits are near.",
    (LINE, Variable("instance", f"label_values(stripwatch_ready{{{OF_LINE}}}, instance)")),
    (NEW_BUNDLE, ALERTS),
    (THROUGHPUT, STAGES, HEALTH, KAFKA, MODELS, EVIDENCE, COILS),
)
