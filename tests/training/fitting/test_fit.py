import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import keras
import msgspec
import numpy as np
import pytest

from stripwatch.export.runs.run_folder import read_run
from stripwatch.training.fitting.features import scale_gate
from stripwatch.training.fitting.fit import fit
from stripwatch.training.networks.backbone import build_backbone
from stripwatch.training.networks.catalog import find_network
from stripwatch.training.survey.survey import SurveySettings, run_survey
from stripwatch.worker.common.errors import DataError, InputError, SettingsError
from stripwatch.worker.images.decode import decode
from tests.trained import LABELS, tiny_fit

pytestmark = pytest.mark.training


def read_history(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "history.csv").read_text().splitlines()))


def test_a_head_learns_textures(fitted_run: Path) -> None:
    run = read_run(fitted_run)
    assert run.validation.accuracy >= 0.8
    assert run.labels == LABELS
    assert run.clean_label == "plain"
    assert [run.validation.classes[label].frames for label in LABELS] == [5, 5, 5]
    assert run.configuration.frozen
    assert run.configuration.weights == "random.weights.h5"


@pytest.mark.long
def test_without_weights_every_layer_is_fitted(textures: Path, tmp_path: Path) -> None:
    run = fit(tiny_fit(textures, tmp_path / "run", weights="none", epochs=3, augment=True))
    keras.utils.set_random_seed(0)  # the seed of the fit gives its initial weights
    before = build_backbone(find_network("mobilenet"), (64, 64, 3), 0.25, "none")
    after = keras.saving.load_model(tmp_path / "run" / "model.keras", compile=False).get_layer(before.name)
    changed = [not np.array_equal(*pair) for pair in zip(before.get_weights(), after.get_weights(), strict=True)]
    assert all(changed)
    rows = read_history(tmp_path / "run")
    assert float(rows[-1]["loss"]) < float(rows[0]["loss"])
    assert not run.configuration.frozen
    assert run.seconds["features"] == 0


def test_the_record_has_the_metrics_of_the_saved_model(fitted_run: Path) -> None:
    run = read_run(fitted_run)
    frames = run.split.validation
    pixels = np.stack([decode((Path(run.data) / frame.name).read_bytes(), run.decode).pixels for frame in frames])
    answers = keras.saving.load_model(fitted_run / "model.keras", compile=False).predict(pixels, verbose=0).argmax(1)
    right = [run.labels[answer] == frame.label for answer, frame in zip(answers, frames, strict=True)]
    assert run.validation.accuracy == pytest.approx(np.mean(right))


def test_the_kept_epoch_is_the_best_one_of_the_history(fitted_run: Path) -> None:
    run = read_run(fitted_run)
    rows = read_history(fitted_run)
    assert [int(row["epoch"]) for row in rows] == list(range(1, 61))
    best = max(rows, key=lambda row: float(row["val_accuracy"]))
    assert float(rows[run.best_epoch - 1]["val_accuracy"]) == float(best["val_accuracy"])
    assert run.validation.accuracy == pytest.approx(float(best["val_accuracy"]), abs=1e-5)


def test_a_frozen_backbone_keeps_its_weights(fitted_run: Path, random_weights: Path) -> None:
    backbone = build_backbone(find_network("mobilenet"), (64, 64, 3), 0.25, str(random_weights))
    kept = keras.saving.load_model(fitted_run / "model.keras", compile=False).get_layer(backbone.name)
    for before, after in zip(backbone.get_weights(), kept.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_does_not_overwrite_a_finished_run(textures: Path, fitted_run: Path) -> None:
    before = (fitted_run / "run.json").read_bytes()
    with pytest.raises(InputError, match="finished run"):
        fit(tiny_fit(textures, fitted_run, weights="none"))
    assert (fitted_run / "run.json").read_bytes() == before


def test_a_diverged_fit_leaves_no_finished_run(textures: Path, tmp_path: Path) -> None:
    backbone = build_backbone(find_network("mobilenet"), (64, 64, 3), 0.25, "none")
    backbone.set_weights([np.full_like(weight, np.nan) for weight in backbone.get_weights()])
    backbone.save_weights(tmp_path / "nan.weights.h5")
    out = tmp_path / "run"
    with pytest.raises(DataError, match="the loss is nan in epoch 1, in validation nan"):
        fit(tiny_fit(textures, out, weights=str(tmp_path / "nan.weights.h5")))
    with pytest.raises(InputError, match=r"no run\.json"):
        read_run(out)


def test_a_killed_run_can_be_started_again(textures: Path, tmp_path: Path, random_weights: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "model.keras").write_bytes(b"from an epoch before the kill")
    (out / "history.csv.part").write_bytes(b"half")
    fit(tiny_fit(textures, out, weights=str(random_weights), epochs=1))
    assert read_run(out).configuration.epochs == 1
    assert sorted(path.name for path in out.iterdir()) == ["history.csv", "model.keras", "novelty.npz", "run.json"]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"network": "mobilnet"}, SettingsError, "did you mean 'mobilenet'"),
        ({"layout": "folders"}, SettingsError, "--layout 'folders'"),
        (
            {"clean_label": "good"},
            SettingsError,
            "--clean-label 'good' is not a label; choose from plain, spots, stripes",
        ),
        ({"weights": "nowhere.h5"}, InputError, "nowhere.h5: no such file"),
        ({"weights": "none", "height_px": 16}, SettingsError, "needs at least 32 pixels per side"),
        ({"weights": "imagenet", "alpha": 0.3}, SettingsError, "--weights imagenet"),
        ({"weights": "none", "fine_tune": 1}, SettingsError, "--fine-tune needs pretrained weights"),
        ({"class_weights": True, "task": "multilabel"}, SettingsError, "--class-weights needs --task multiclass"),
        (
            {"weights": "none", "head": "paper-baseline"},
            SettingsError,
            "paper-baseline needs a feature map of at least 5x5 cells, .* gives 2x2",
        ),
    ],
)
def test_rejects_an_invalid_setting(
    textures: Path, tmp_path: Path, changes: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        fit(tiny_fit(textures, tmp_path / "run", **changes))
    assert not (tmp_path / "run").exists()


def test_reuses_the_split_of_an_earlier_run(
    textures: Path, tmp_path: Path, fitted_run: Path, random_weights: Path
) -> None:
    earlier = fitted_run / "run.json"
    settings = tiny_fit(textures, tmp_path / "run", weights=str(random_weights), seed=9, epochs=1, split=earlier)
    assert fit(settings).split == read_run(fitted_run).split


def test_images_with_several_labels_need_the_multilabel_task(
    textures: Path, tmp_path: Path, random_weights: Path
) -> None:
    shutil.copytree(textures, tmp_path / "data")
    names = [path.name for path in textures.iterdir()]
    rows = [f"{name},{'spots|stripes' if name.endswith('1.png') else name.split('_')[0]}" for name in names]
    (tmp_path / "data" / "manifest.csv").write_text("\n".join(["file,label", *rows]))
    settings = tiny_fit(tmp_path / "data", tmp_path / "run", weights=str(random_weights), clean_label="plain")
    with pytest.raises(DataError, match=r"1\.png has 2 labels, spots and stripes: .*--task multilabel"):
        fit(settings)
    run = fit(replace(settings, task="multilabel"))
    assert (run.labels, run.clean_label) == (["spots", "stripes"], None)
    assert {frame.labels for frame in run.split.train} == {(), ("spots",), ("stripes",), ("spots", "stripes")}


def test_rejects_weights_of_another_width(textures: Path, tmp_path: Path, random_weights: Path) -> None:
    with pytest.raises(InputError, match=r"random\.weights\.h5 does not fit mobilenet"):
        fit(tiny_fit(textures, tmp_path / "run", weights=str(random_weights), alpha=0.5))


def test_the_record_has_the_provenance_of_the_run(fitted_run: Path, textures: Path) -> None:
    record = json.loads((fitted_run / "run.json").read_text())
    assert record["data"] == str(textures.resolve())
    assert record["versions"]["keras"] == keras.__version__
    assert record["decode"]["height_px"] == 64
    names = [frame["name"] for part in record["split"].values() for frame in part]
    assert sorted(names) == sorted(path.name for path in textures.iterdir())


def test_a_fit_names_all_errors_of_the_data_at_once(textures: Path, random_weights: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(textures, folder)
    shutil.copy(folder / "spots_1.png", folder / "plain_999.png")
    for number in (2, 3):
        (folder / f"spots_{number}.png").write_bytes(b"no picture")
    with pytest.raises(DataError) as raised:
        fit(tiny_fit(folder, tmp_path / "run", weights=str(random_weights)))
    text = str(raised.value)
    assert "2 files cannot be used: " in text
    assert "plain_999.png (plain) and spots_1.png (spots) are the same picture with different labels" in text
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_fit_repeats_the_warnings_of_the_survey(
    textures: Path, random_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(textures, folder)
    blank = cv2.imencode(".png", np.full((96, 96), 90, np.uint8))[1].tobytes()
    (folder / "spots_999.png").write_bytes(blank)
    expected = [each.line for each in run_survey(SurveySettings(folder, clean_label="plain")).findings]
    capsys.readouterr()
    fit(tiny_fit(folder, tmp_path / "run", weights=str(random_weights), clean_label="plain", epochs=1))
    printed = [line for line in capsys.readouterr().err.splitlines() if re.fullmatch(r"warning: .*]", line)]
    assert printed == [line for line in expected if line.startswith("warning: ")]
    assert any("1 image is blank, with one grey value: spots_999.png" in line for line in printed)


def test_a_fit_on_large_jpeg_images_tests_scaled_decoding_and_uses_it_everywhere(
    textures: Path,
    tmp_path: Path,
    random_weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = tmp_path / "jpeg"
    data.mkdir()
    for file in textures.iterdir():
        cv2.imwrite(str(data / f"{file.stem}.jpg"), np.asarray(cv2.imread(str(file))))
    usual = {"weights": str(random_weights), "cut": "conv_pw_3_relu", "height_px": 32, "width_px": 32, "val_share": 0.4}
    settings = tiny_fit(data, tmp_path / "run", **usual)
    few = fit(replace(settings, out=tmp_path / "few"))
    assert (few.decode.name, few.scale) == ("grey", None)
    assert (
        "Smaller scales were not tested: that takes 100 validation images, and there are 24" in capsys.readouterr().err
    )
    monkeypatch.setattr(scale_gate, "VALIDATION_MIN", 20)
    compare = scale_gate._compare
    accepted = lambda *given: msgspec.structs.replace(compare(*given), accepted=True)  # noqa: E731 - random weights
    monkeypatch.setattr(scale_gate, "_compare", accepted)
    run = fit(settings)
    assert run.scale is not None
    assert (run.decode.name, run.scale.scale, run.scale.frames) == ("grey/2", 2, 24)
    assert [trial.scale for trial in run.scale.trials] == [2]
    assert read_run(settings.out) == run
    assert "decode: grey/2, because /2 passed the test of scaled decoding (on 24 validation frames, full:" in (
        capsys.readouterr().err
    )
    pixels = np.stack([decode((data / frame.name).read_bytes(), run.decode).pixels for frame in run.split.validation])
    answers = keras.saving.load_model(settings.out / "model.keras", compile=False).predict(pixels, verbose=0).argmax(1)
    right = [run.labels[answer] == frame.label for answer, frame in zip(answers, run.split.validation, strict=True)]
    assert run.validation.accuracy == pytest.approx(np.mean(right))
