"""Loss, optimizer, learning rate schedule and metrics of a fit."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from stripwatch.export.runs.run_folder import Configuration

# After this many epochs without a lower validation loss, the learning rate is multiplied by the factor.
PLATEAU_EPOCHS = 3
PLATEAU_FACTOR = 0.3


def compile_model(
    model: keras.Model, configuration: Configuration, learning_rate: float, steps: int, at_once: int = 1
) -> None:
    """Compile a model for a fit of `steps` steps, starting at learning_rate.

    at_once: number of steps that Keras runs without returning to Python, which takes longer than a step of a small
    head. It is ignored if several devices share a step, because Keras 3.15 with TensorFlow 2.21 fails then.
    """
    rate: Any = learning_rate
    if configuration.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    with model.distribute_strategy.scope():  # keeps the optimizer state on the devices of the weights
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
    optimizer.exclude_from_weight_decay(var_names=["bias"])  # a bias only reflects how frequent a label is
    return optimizer


def rate_callbacks(configuration: Configuration) -> list[keras.callbacks.Callback]:
    """Return the callbacks that the learning rate schedule needs."""
    if configuration.schedule != "plateau":
        return []
    return [keras.callbacks.ReduceLROnPlateau("val_loss", PLATEAU_FACTOR, PLATEAU_EPOCHS)]


def class_weight(configuration: Configuration, targets: NDArray[np.float32]) -> dict[int, float] | None:
    """Return balanced class weights, frames / (classes * frames of the class), or None if they are switched off.

    targets: one-hot, [n, labels]. The formula is that of scikit-learn's compute_class_weight("balanced").
    """
    if not configuration.class_weights:
        return None
    frames = targets.sum(axis=0)
    return dict(enumerate((frames.sum() / (len(frames) * frames)).tolist()))


def _metrics(configuration: Configuration) -> list[keras.metrics.Metric]:
    """Return metrics that use the same predicted labels as stripwatch.export.runs.predicted_labels."""
    if configuration.task == "multiclass":
        return [keras.metrics.CategoricalAccuracy("accuracy"), keras.metrics.F1Score("macro", name="macro_f1")]
    return [keras.metrics.BinaryAccuracy("accuracy"), keras.metrics.F1Score("macro", 0.5, name="macro_f1")]


def _loss(configuration: Configuration) -> keras.losses.Loss:
    """Return the loss: categorical in multiclass, binary for each label in multilabel.

    Focal loss gives frames that are already correct less weight (Lin et al. 2017, https://arxiv.org/abs/1708.02002).
    """
    losses = {
        ("multiclass", "crossentropy"): keras.losses.CategoricalCrossentropy,
        ("multiclass", "focal"): keras.losses.CategoricalFocalCrossentropy,
        ("multilabel", "crossentropy"): keras.losses.BinaryCrossentropy,
        ("multilabel", "focal"): keras.losses.BinaryFocalCrossentropy,
    }
    return losses[configuration.task, configuration.loss](label_smoothing=configuration.label_smoothing)
