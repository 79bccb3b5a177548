"""What happens at the end of an epoch: the history is written, the best one kept, and a lost one stops the fit."""

import csv
import io
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import keras

from stripwatch.export.runs.files import atomic_write
from stripwatch.export.runs.run_folder import Configuration
from stripwatch.worker.common.errors import DataError

Row = dict[str, Any]
_FIGURES = ("loss", "accuracy", "val_loss", "val_accuracy", "val_macro_f1", "learning_rate")
_COLUMNS = ("epoch", *_FIGURES, "stage")


class TrainingHistory(keras.callbacks.Callback):  # type: ignore[misc]  # keras has no types
    """rows: of epochs before, of this stage or others. best_epoch counts from 1, through all stages.

    The best epoch has the best figure that configuration.best_by names; of equal ones, the best loss or accuracy. With
    keep "last" every epoch counts as better than the one before, so that validation frames choose nothing.
    """

    def __init__(
        self,
        history: Path,
        configuration: Configuration,
        rows: Iterable[Row] = (),
        stage: str = "head",
        on_best: Callable[[], None] = lambda: None,
        on_steps: Callable[[int], None] = lambda _: None,
    ) -> None:
        super().__init__()
        self.rows = list(rows)
        self._history = history
        self._configuration = configuration
        self._stage = stage
        self._first = len([row for row in self.rows if row["stage"] != stage])
        self._on_best = on_best
        self._on_steps = on_steps
        self._steps = 0

    @property
    def best_epoch(self) -> int:
        """The last of the best ones; 0 before the first epoch."""
        if self._configuration.keep == "last":
            return len(self.rows)
        merits = [(self._merit(row), epoch) for epoch, row in enumerate(self.rows, start=1)]
        return max(merits)[1] if merits else 0

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        self._steps = 0

    def on_train_batch_end(self, step: int, *_: Any, **__: Any) -> None:
        """Keras may run several steps before it calls; step is the last of them, from 0."""
        self._on_steps(step + 1 - self._steps)
        self._steps = step + 1

    def on_epoch_end(self, _epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Raises DataError when the loss is no number any more."""
        number = len(self.rows) + 1
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row = {"epoch": number, **(logs or {}), "learning_rate": rate, "stage": self._stage}
        if not (math.isfinite(row["loss"]) and math.isfinite(row["val_loss"])):
            raise DataError(
                f"the loss became {row['loss']}, in validation {row['val_loss']}, in epoch {number}: "
                f"lower --learning-rate ({rate:g} now), "
                "or look for damaged weights"
            )
        self.rows.append(row)
        self._write()
        if self.best_epoch == number:
            self._on_best()
        elif 0 < self._configuration.patience <= number - max(self.best_epoch, self._first):
            self.model.stop_training = True

    def _merit(self, row: Row) -> tuple[float, float]:
        accuracy, loss = row["val_accuracy"], -row["val_loss"]
        by = self._configuration.best_by
        return (loss, accuracy) if by == "val_loss" else (row[by], loss)

    def _write(self) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(row | {figure: f"{row[figure]:g}" for figure in _FIGURES} for row in self.rows)
        atomic_write(self._history, text.getvalue().encode())


def read_history(path: Path) -> list[Row]:
    """The rows of a history.csv that TrainingHistory wrote."""
    rows = csv.DictReader(path.read_text().splitlines())
    return [{**row, "epoch": int(row["epoch"]), **{figure: float(row[figure]) for figure in _FIGURES}} for row in rows]
