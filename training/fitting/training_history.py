"""History of a fit: written after each epoch, selects the best one, and stops the fit on an invalid loss."""

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
FINE_TUNE = "fine-tune"  # name of that stage


class TrainingHistory(keras.callbacks.Callback):  # type: ignore[misc]  # keras has no types
    """Callback that writes history.csv, saves the best epoch and implements early stopping.

    rows: earlier epochs of this and other stages. on_best: called if an epoch is the best so far. on_steps: called with
    the number of finished steps. The best epoch has the best value of configuration.best_by; ties are broken by loss or
    accuracy. With keep "last" every epoch counts as better than the previous one, so that validation frames select
    nothing.
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
        """Return the best epoch over all stages, counted from 1; the last one on a tie, 0 before the first epoch."""
        if self._configuration.keep == "last":
            return len(self.rows)
        merits = [(self._merit(row), epoch) for epoch, row in enumerate(self.rows, start=1)]
        return max(merits)[1] if merits else 0

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        self._steps = 0

    def on_train_batch_end(self, step: int, *_: Any, **__: Any) -> None:
        """Report finished steps. Keras may run several steps per call; `step` is the last of them, from 0."""
        self._on_steps(step + 1 - self._steps)
        self._steps = step + 1

    def on_epoch_end(self, _epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Record the epoch. Raises DataError if the loss is not a finite number."""
        number = len(self.rows) + 1
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row = {"epoch": number, **(logs or {}), "learning_rate": rate, "stage": self._stage}
        if not (math.isfinite(row["loss"]) and math.isfinite(row["val_loss"])):
            raise DataError(
                f"the loss is {row['loss']} in epoch {number}, in validation {row['val_loss']}; reduce "
                f"{self._what_to_reduce()}, or check the weights for damage"
            )
        self.rows.append(row)
        self._write()
        if self.best_epoch == number:
            self._on_best()
        elif 0 < self._configuration.patience <= number - max(self.best_epoch, self._first):
            self.model.stop_training = True

    def _what_to_reduce(self) -> str:
        """Return the options that can make the loss invalid, with the values that they have before the schedule."""
        configuration = self._configuration
        if self._stage == FINE_TUNE:
            return f"--fine-tune-rate (now {configuration.fine_tune_rate:g})"
        rate, decay = configuration.learning_rate, configuration.weight_decay
        text = f"--learning-rate (now {rate:g})"
        takes_all = configuration.optimizer == "adamw" and rate * decay >= 1  # a step removes the whole weight or more
        return f"{text} or --weight-decay (now {decay:g})" if takes_all else text

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
    """Read the rows of a history.csv written by TrainingHistory."""
    rows = csv.DictReader(path.read_text().splitlines())
    return [{**row, "epoch": int(row["epoch"]), **{figure: float(row[figure]) for figure in _FIGURES}} for row in rows]
