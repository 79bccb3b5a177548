"""`python -m deploy.boards` writes the boards to deploy/grafana/. A test fails if the files are out of date."""

import json
from pathlib import Path

from deploy.boards.line.board import LINE_BOARD
from deploy.boards.panels import Board, board_json
from deploy.boards.worker.board import WORKER_BOARD

GRAFANA = Path(__file__).parents[1] / "grafana"
BOARDS = {"line.json": LINE_BOARD, "worker.json": WORKER_BOARD}


def board_text(board: Board) -> str:
    return json.dumps(board_json(board), indent=1) + "\n"


if __name__ == "__main__":
    for name, board in BOARDS.items():
        (GRAFANA / name).write_text(board_text(board))
