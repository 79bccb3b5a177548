"""Precision and several devices, tested on the CPU with bfloat16 and two logical CPUs as replicas."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from stripwatch.export.runs.run_folder import read_run
from stripwatch.training.fitting import devices
from stripwatch.training.fitting.devices import choose_precision, device_scope, explain_oom
from stripwatch.training.fitting.fit import fit
from stripwatch.worker.common.errors import SettingsError
from tests.trained import tiny_fit

pytestmark = pytest.mark.training


def gpus(monkeypatch: pytest.MonkeyPatch, *capabilities: tuple[int, int]) -> None:
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: list(capabilities))
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda found: {"compute_capability": found})


def test_chooses_half_precision_only_if_every_gpu_is_fast_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch)
    assert choose_precision("auto") == "float32"
    gpus(monkeypatch, (9, 0), (7, 0))
    assert choose_precision("auto") == "mixed_float16"
    assert choose_precision("float32") == "float32"
    gpus(monkeypatch, (9, 0), (6, 1))
    assert choose_precision("auto") == "float32"


def test_the_precision_is_restored_after_the_block() -> None:
    with device_scope("mixed_bfloat16"):
        assert keras.layers.Dense(1).compute_dtype == "bfloat16"
    assert keras.layers.Dense(1).compute_dtype == "float32"


def test_several_gpus_share_a_batch_and_one_uses_no_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    for names, expected in ([], []), (["GPU:0"], []), (["GPU:0", "GPU:1"], ["GPU:0", "GPU:1"]):
        found = [tf.config.LogicalDevice(name, "GPU") for name in names]
        monkeypatch.setattr(tf.config, "list_logical_devices", lambda _, found=found: found)
        assert devices.gpu_replicas() == expected


@pytest.mark.long
@pytest.mark.parametrize("fine_tune", [0, 1])
def test_a_fit_in_half_precision_saves_a_float32_model(
    textures: Path, random_weights: Path, tmp_path: Path, fine_tune: int
) -> None:
    settings = tiny_fit(textures, tmp_path / "run", weights=str(random_weights), precision="mixed_bfloat16")
    run = fit(replace(settings, epochs=10, learning_rate=0.1, fine_tune=fine_tune, clean_label="plain"))
    assert run.configuration.precision == "mixed_bfloat16"
    assert read_run(tmp_path / "run") == run
    model = keras.saving.load_model(tmp_path / "run" / "model.keras", compile=False)
    assert {layer.compute_dtype for layer in model._flatten_layers() if layer.weights} == {"float32"}
    assert model.predict(np.zeros((1, *run.decode.shape), np.uint8), verbose=0).dtype == np.float32
    # Above chance for three classes: the saved model has the weights of the half-precision fit.
    assert run.validation.accuracy > 0.5


def test_explains_an_out_of_memory_error_with_the_setting() -> None:
    with pytest.raises(SettingsError, match="not enough memory for --batch 64"), explain_oom(64):
        tf.zeros([2**30, 2**20])


TWO_PROCESSORS = """
import sys
from pathlib import Path
import tensorflow as tf
processor = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
from tests.trained import tiny_fit
from stripwatch.training.fitting import devices, train_loop
from stripwatch.training.fitting.fit import fit
devices.gpu_replicas = lambda: ["CPU:0", "CPU:1"]
compile_model, seen = train_loop.compile_model, []
def watch(model, *rest):
    compile_model(model, *rest)
    seen.append(model.distribute_strategy.num_replicas_in_sync)
train_loop.compile_model = watch
data, out, weights = map(Path, sys.argv[1:])
run = fit(tiny_fit(data, out, weights=str(weights), epochs=3, fine_tune=1, best_by="val_loss"))
print(seen, run.best_epoch > 0)
"""


@pytest.mark.long
def test_a_fit_on_several_devices_succeeds(textures: Path, random_weights: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", TWO_PROCESSORS, str(textures), str(tmp_path / "run"), str(random_weights)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    assert done.returncode == 0, done.stderr[-8000:]
    assert done.stdout.strip() == "[2, 2] True"
    assert read_run(tmp_path / "run").validation.frames == 12
