"""What is minimised, by which optimizer, at which rate."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from stripwatch.export.runs.run_folder import Configuration

# A plateau is this many epochs without a lower validation loss; the rate is then multiplied by the factor.
_PLATEAU_EPOCHS = 3
_PLATEAU_FACTOR = 0.3
FINE_TUNE_DECAY = 0.004  # Keras's own


def compile_model(
    model: keras.Model, configuration: Configuration, learning_rate: float, steps: int, at_once: int = 1
) -> None:
    """Make a model ready to be fitted for that many steps, starting at learning_rate.

    at_once: steps that Keras runs without coming back to Python, which costs more than a step of a small head; not
    where several devices share a step (Keras 3.15 with TensorFlow 2.21 fails).
    """
    rate: Any = learning_rate
    if configuration.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    with model.distribute_strategy.scope():  # the optimizer's state lies where the weights lie
        model.compile(
            _optimizer(configuration, rate),
            loss=_loss(configuration),
            metrics=_metrics(configuration),
            steps_per_execution=at_once if model.distribute_strategy.num_replicas_in_sync == 1 else 1,
        )


def _optimizer(configuration: Configuration, rate: Any) -> keras.optimizers.Optimizer:
    if configuration.optimizer == "adam":
        return keras.optimizers.Adam(rate)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=configuration.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["bias"])  # it only says how common a label is
    return optimizer


def rate_callbacks(configuration: Configuration) -> list[keras.callbacks.Callback]:
    if configuration.schedule != "plateau":
        return []
    return [keras.callbacks.ReduceLROnPlateau("val_loss", _PLATEAU_FACTOR, _PLATEAU_EPOCHS)]


def class_weight(configuration: Configuration, targets: NDArray[np.float32]) -> dict[int, float] | None:
    """Every class as heavy as any other: frames / (classes * frames of the class). targets: one-hot [n, labels]."""
    if not configuration.class_weights:
        return None
    frames = targets.sum(axis=0)
    return dict(enumerate((frames.sum() / (len(frames) * frames)).tolist()))


def _metrics(configuration: Configuration) -> list[keras.metrics.Metric]:
    """What is called a label is what stripwatch.training.evaluation.scores.answer calls one."""
    if configuration.task == "multiclass":
        return [keras.metrics.CategoricalAccuracy("accuracy"), keras.metrics.F1Score("macro", name="macro_f1")]
    return [keras.metrics.BinaryAccuracy("accuracy"), keras.metrics.F1Score("macro", 0.5, name="macro_f1")]


def _loss(configuration: Configuration) -> keras.losses.Loss:
    """Of the one right label, or of each label alone where a frame may have several.

    focal: what is right already counts less (Lin et al. 2017, https://arxiv.org/abs/1708.02002).
    """
    losses = {
        ("multiclass", "crossentropy"): keras.losses.CategoricalCrossentropy,
        ("multiclass", "focal"): keras.losses.CategoricalFocalCrossentropy,
        ("multilabel", "crossentropy"): keras.losses.BinaryCrossentropy,
        ("multilabel", "focal"): keras.losses.BinaryFocalCrossentropy,
    }
    return losses[configuration.task, configuration.loss](label_smoothing=configuration.label_smoothing)
