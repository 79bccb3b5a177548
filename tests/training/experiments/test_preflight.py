"""Everything that prevents a fit of an experiment is reported before the first fit."""

import sys
from pathlib import Path

import pytest

from stripwatch.training.experiments import compare as compare_module
from stripwatch.training.experiments import preflight
from stripwatch.training.experiments.compare import CompareSettings, compare, parse_candidates
from stripwatch.training.experiments.leaderboard import Rule
from stripwatch.training.experiments.preflight import PlannedFit, check_networks, check_options, find_faults
from stripwatch.worker.common.errors import InputError, SettingsError
from tests.training.conftest import run_cli

pytestmark = pytest.mark.training


def planned(name: str, data: Path, out: Path, *flags: str) -> PlannedFit:
    return PlannedFit(name, ["--data", str(data), "--out", str(out), "--weights", "none", *flags])


def test_reports_the_invalid_options_of_all_networks_at_once(textures: Path, tmp_path: Path) -> None:
    fits = [
        planned("a", textures, tmp_path / "a", "--network", "xceptoin", "--boxes", "nowhere"),
        planned("b", textures, tmp_path / "b", "--network", "mobilenet"),
        planned("c", textures, tmp_path / "c", "--network", "mobilenet", "--alhpa", "0.25"),
        planned("d", textures, tmp_path / "d", "--network", "vgg19", "--weights", "no.h5", "--bit-depth", "99"),
    ]
    with pytest.raises(SettingsError) as caught:
        check_options(fits)
    text = str(caught.value)
    assert text.startswith("3 problems: a: 2 problems: --network 'xceptoin' is unknown; did you mean 'xception'?")
    for part in (
        "--boxes nowhere does not exist",
        "c: no such option",
        "--alhpa",
        "--weights no.h5: no such file",
        "99",
    ):
        assert part in text
    assert "b:" not in text


def test_reports_networks_that_cannot_be_built_at_once(textures: Path, tmp_path: Path) -> None:
    small = ("--network", "mobilenet", "--alpha", "0.25", "--input", "64x64")
    fits = [
        planned("a", textures, tmp_path / "a", *small, "--cut", "conv_pw_99"),
        planned("b", textures, tmp_path / "b", *small),
        planned("c", textures, tmp_path / "c", *small, "--head", "paper-baseline"),
    ]
    first, second = find_faults(fits)
    assert first.text.startswith("a: --cut conv_pw_99: mobilenet has no layer 'conv_pw_99'")
    assert second.text.startswith("c: ")
    assert "needs a feature map of at least 5x5 cells" in second.text
    assert first.code == second.code == 2


def test_the_networks_are_built_in_another_process(
    textures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = '[{"text": "a: wrong weights", "code": 6}]'
    program = f"import sys, json; assert json.load(sys.stdin)[0]['name'] == 'a'; print({fault!r})"
    monkeypatch.setattr(preflight, "module_command", lambda _: [sys.executable, "-c", program])
    with pytest.raises(InputError, match=r"^a: wrong weights$"):
        check_networks([planned("a", textures, tmp_path / "a")])


def settings_for(textures: Path, out: Path, networks: str, *flags: str) -> CompareSettings:
    return CompareSettings(textures, out, parse_candidates(networks, []), Rule.parse("best"), flags=flags)


@pytest.mark.parametrize("networks", ["mobilenet,xceptoin", "xceptoin,mobilenet"])
def test_no_network_is_fitted_if_another_one_is_unknown(
    textures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], networks: str
) -> None:
    monkeypatch.setattr(compare_module, "run_fit", lambda *_: pytest.fail("a fit was started"))
    words = ["compare", "--data", str(textures), "--out", str(tmp_path / "out"), "--networks", networks]
    assert run_cli(monkeypatch, *words, "--weights", "none") == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error == "error: xceptoin: --network 'xceptoin' is unknown; did you mean 'xception'?"
    assert not (tmp_path / "out").exists()


def test_reports_earlier_results_of_other_options_before_the_first_fit(textures: Path, tmp_path: Path) -> None:
    for name in ("vgg19", "mobilenet"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "begun.json").touch()
        (tmp_path / name / "head.weights.h5").touch()
    with pytest.raises(InputError) as caught:
        compare(settings_for(textures, tmp_path, "vgg19,mobilenet"))
    assert str(caught.value).startswith("2 problems: ")
    assert str(caught.value).count("is an interrupted fit with unknown options") == 2


def test_refuses_a_bundle_of_another_run(textures: Path, tmp_path: Path) -> None:
    from tests.tiny import write_bundle

    write_bundle(tmp_path / "vgg19.onnx")
    with pytest.raises(InputError, match=r"vgg19\.onnx is the bundle of another run; remove it"):
        compare(settings_for(textures, tmp_path, "vgg19,mobilenet"))
