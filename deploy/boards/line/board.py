"""The board for operators. It reads targets and shares from the recording rules, so it shows what the alerts check."""

from deploy.boards.common import ALERTS, LINE, NEW_BUNDLE, OF_LINE
from deploy.boards.line.cameras import CAMERAS
from deploy.boards.line.coils import COILS
from deploy.boards.line.defects import DEFECTS
from deploy.boards.line.drift import DRIFT
from deploy.boards.line.now import NOW
from deploy.boards.panels import Board, Variable

LINE_BOARD = Board(
    "stripwatch-line",
    "Stripwatch: line",
    "For operators: whether the line is inspected, and which defects it has.",
    (LINE, Variable("camera", f"label_values(stripwatch_frames_total{{{OF_LINE}}}, camera)")),
    (NEW_BUNDLE, ALERTS),
    (NOW, DEFECTS, COILS, CAMERAS, DRIFT),
)
