import json
from pathlib import Path

import numpy as np
import pytest

from stripwatch.training.networks.backbone import build_backbone
from stripwatch.training.networks.catalog import find_network
from tests.training.conftest import run_cli
from tests.training.weights.checkpoints import stored, timm_lite0, write_old

pytestmark = pytest.mark.training


def test_an_unchecked_conversion_says_so_and_is_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = build_backbone(find_network("efficientnetlite0"), (32, 32, 3), 1.0, "none")
    file = write_old(tmp_path / "lite0.pth", stored(timm_lite0(network)), monkeypatch)
    out = tmp_path / "lite0.weights.h5"
    command = ["convert-weights", str(file), "--network", "efficientnetlite0", "--out", str(out), "--unchecked"]
    assert run_cli(monkeypatch, *command) == 0
    printed = capsys.readouterr()
    assert "not compared (--unchecked)" in printed.err
    summary = json.loads(printed.out)
    assert (summary["weights"], summary["checked_images"], summary["score_difference"]) == (3_413_024, 0, None)
    before = out.read_bytes()
    assert run_cli(monkeypatch, *command) == 6
    assert "exists; pass --force" in capsys.readouterr().err
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        ([], 2, "--scores FILE is missing"),
        (["--unchecked", "--scores", "a.npz"], 2, "exclude each other"),
        (["--scores", "a.npz"], 6, "--scores a.npz cannot be read"),
        (["--unchecked", "--mean", "0.5,0.5,0.5"], 2, "--mean and --std must be given together"),
        (["--unchecked", "--mean", "127,127,127", "--std", "1,1,1"], 2, "--mean '127,127,127' is not three numbers"),
        (["--unchecked", "--mean", "0,0,0", "--std", "0,1,1"], 2, "must be above 0"),
        (["--unchecked"], 6, "missing.pth: no such file"),
        (["--unchecked", "--out", "a.h5"], 2, "must end with .weights.h5"),
        (["--unchecked", "--out", "nowhere/a.weights.h5"], 6, "the folder does not exist"),
    ],
)
def test_names_the_option_that_is_wrong(
    options: list[str],
    code: int,
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["convert-weights", "missing.pth", "--network", "efficientnetlite0", "--out", "a.weights.h5", *options]
    assert run_cli(monkeypatch, *words) == code
    printed = capsys.readouterr()
    assert text in printed.err
    assert printed.out == ""
    assert not list(tmp_path.glob("*.h5"))


def test_refuses_a_keras_file_with_the_option_that_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "vgg19.h5"
    np.zeros(1).tofile(file)
    out = str(tmp_path / "a.weights.h5")
    assert run_cli(monkeypatch, "convert-weights", str(file), "--network", "vgg19", "--out", out, "--unchecked") == 6
    assert "is a Keras file; pass it to `stripwatch train fit --weights`" in capsys.readouterr().err
