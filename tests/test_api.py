"""The public Python API: `import stripwatch`, `stripwatch.training` and `stripwatch.export`."""

import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

import stripwatch
import stripwatch.export
import stripwatch.training
from stripwatch.worker.bench.demo import DEMO_BUNDLE
from stripwatch.worker.common import errors
from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.simulator.scene import KINDS, encode_jpeg, frame_seed, render
from tests.e2e.line import run_cli
from tests.tiny import NOISY, NOVELTY, build_model, encode_frame, tiny_contract, watchful_contract, write_bundle

FRAMES = 12
EVENT = Path(__file__).parent / "contract" / "golden" / "result-1-defect.json"


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return stripwatch.load_model(DEMO_BUNDLE)


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return encoded strips unseen by the demo model, by file name, some of a size that it was not trained on."""
    return {
        f"{number:02}.jpg": encode_jpeg(
            render(
                KINDS[number % len(KINDS)], (256, 320) if number % 4 == 1 else (200, 200), frame_seed(77, number)
            ).pixels
        )
        for number in range(FRAMES)
    }


def imported_by(script: str) -> set[str]:
    code = f"import sys; {script}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_a_package_offers_exactly_the_names_in_all() -> None:
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    functions = {"decode_result", "load_model", "load_settings", "read_bundle", "run_worker"}
    assert set(stripwatch.__all__) == kinds | functions | {"__version__"}
    assert set(stripwatch.training.__all__) == {"EvaluateSettings", "FitSettings", "evaluate", "fit"}
    assert set(stripwatch.export.__all__) == {"ExportSettings", "export_run", "verify"}


def test_the_names_of_the_worker_exist() -> None:
    check_names(stripwatch)


@pytest.mark.training
@pytest.mark.parametrize("package", [stripwatch.training, stripwatch.export], ids=lambda package: package.__name__)
def test_the_names_of_training_and_export_exist(package: ModuleType) -> None:
    check_names(package)


def check_names(package: ModuleType) -> None:
    assert {name for name in dir(package) if not name.startswith("_")} == {
        name for name in package.__all__ if not name.startswith("_")
    }
    for name in package.__all__:
        found = getattr(package, name)
        assert name == "__version__" or found.__doc__
    assert not hasattr(package, "no_such_name")
    for name in package.__all__:
        if not isinstance(getattr(package, name), type | str):
            assert all(part in getattr(package, name).__doc__ for part in ("Args:", "Raises:", "Example:")), name


def test_an_import_alone_loads_no_heavy_module() -> None:
    third_party = {
        "cv2",
        "kafka",
        "keras",
        "msgspec",
        "numpy",
        "onnx",
        "onnxruntime",
        "pydantic",
        "tensorflow",
        "typer",
    }
    assert imported_by("import stripwatch, stripwatch.training, stripwatch.export") & third_party == set()
    assert imported_by("import stripwatch; stripwatch.StripwatchError, dir(stripwatch)") & third_party == set()
    reading = f"import pathlib, stripwatch; stripwatch.decode_result(pathlib.Path({str(EVENT)!r}).read_bytes())"
    assert imported_by(reading) & third_party == {"msgspec"}
    assert "onnxruntime" not in imported_by(f"import stripwatch; stripwatch.read_bundle({str(DEMO_BUNDLE)!r})")


def test_a_model_gives_the_same_results_as_the_command(
    model: LoadedModel, frames: dict[str, bytes], tmp_path: Path
) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for name, encoded in frames.items():
        (folder / name).write_bytes(encoded)
    out = tmp_path / "out.jsonl"
    done = run_cli("inspect", "--bundle", str(DEMO_BUNDLE), str(folder), "--out", str(out))
    assert done.returncode == 0, done.stderr
    events = {event.frame.file: event for event in map(stripwatch.decode_result, out.read_bytes().splitlines())}
    assert events.keys() == frames.keys()
    for name, encoded in frames.items():
        result, event = model.inspect(encoded), events[name]
        assert (result.verdict, result.label, result.flags) == (event.verdict, event.label, event.flags)
        assert result.scores == pytest.approx(event.scores, abs=1e-5)
        assert [(d.label, d.box_px) for d in result.defects] == [(d.label, d.box_px) for d in event.defects]
        assert (result.width_px, result.height_px) == (event.frame.width_px, event.frame.height_px)
        assert result.score == result.scores[result.label]
    assert {event.verdict for event in events.values()} >= {"clean", "defect"}
    flagged = {name for name, event in events.items() if event.flags == (FrameFlag.SIZE,)}
    assert flagged == {f"{number:02}.jpg" for number in range(1, FRAMES, 4)}
    assert any(d.box_px for event in events.values() for d in event.defects)


@pytest.mark.parametrize("trained_for", [None, "anomaly"])
def test_results_state_what_the_model_was_trained_for(trained_for: Any, tmp_path: Path) -> None:
    manifest = msgspec.structs.replace(tiny_contract(), trained_for=trained_for)
    model = stripwatch.load_model(write_bundle(tmp_path / "tiny.onnx", manifest))
    assert model.info.task == trained_for


def test_a_batch_gives_the_same_results_as_single_frames(model: LoadedModel, frames: dict[str, bytes]) -> None:
    many = [*frames.values()] * 3  # more than one batch
    alone = [model.inspect(encoded) for encoded in many]
    assert_alike(model.inspect_batch(many), alone)
    assert model.inspect_batch([]) == []


def test_threads_share_a_model(model: LoadedModel, frames: dict[str, bytes]) -> None:
    many = [*frames.values()] * 2
    with ThreadPoolExecutor(4) as pool:
        assert_alike(list(pool.map(model.inspect, many)), [model.inspect(encoded) for encoded in many])


def assert_alike(found: Sequence[Any], expected: Sequence[Any]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert (one.verdict, one.label) == (other.verdict, other.label)
        assert one.scores == pytest.approx(other.scores, abs=1e-5)
        assert [(d.label, d.box_px) for d in one.defects] == [(d.label, d.box_px) for d in other.defects]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda encoded: b"", "empty"),
        (lambda encoded: b"not an image", "unsupported_format"),
        (lambda encoded: encoded[: len(encoded) // 2], "truncated"),
    ],
)
def test_rejects_a_frame_that_cannot_be_inspected_with_the_reason(
    model: LoadedModel, frames: dict[str, bytes], damage: Any, reason: str
) -> None:
    whole = next(iter(frames.values()))
    with pytest.raises(stripwatch.FrameRejected) as alone:
        model.inspect(damage(whole))
    assert alone.value.reason == reason
    with pytest.raises(stripwatch.FrameRejected, match=f"^{reason}: frame 20: {alone.value.detail}$") as in_a_batch:
        model.inspect_batch([*[whole] * 20, damage(whole), damage(whole)])
    assert in_a_batch.value.reason == reason
    before, rejected, after = model.inspect_each(iter([whole, damage(whole), whole]))
    assert_alike([before, after], [model.inspect(whole)] * 2)
    assert isinstance(rejected, stripwatch.FrameRejected)
    assert rejected.detail == alone.value.detail


def test_a_path_is_not_a_frame(model: LoadedModel) -> None:
    with pytest.raises(TypeError, match="the bytes of an image file, not str"):
        model.inspect("strip.jpg")  # type: ignore[arg-type]


def test_rejects_a_frame_whose_score_is_not_finite(tmp_path: Path) -> None:
    """A model that computes infinity does not pass its self-test, so the test changes the scores on their way."""
    loaded = stripwatch.load_model(write_bundle(tmp_path / "tiny.onnx"))
    runner = loaded.session._free.get()

    class Spoiling:
        def run(self, names: Any, inputs: Any) -> Any:
            outputs = runner.run(names, inputs)
            outputs[0][-1, 0] = float("nan")
            return outputs

    loaded.session._free.put(Spoiling())
    with pytest.raises(stripwatch.FrameRejected, match=r"^inference_failed: frame 1: a score is not a finite number"):
        loaded.inspect_batch([encode_frame(0.5), encode_frame(0.5)])
    with pytest.raises(stripwatch.FrameRejected, match=r"^inference_failed: a score is not a finite number"):
        loaded.inspect(encode_frame(0.5))


def test_refuses_and_names_a_file_that_is_not_a_bundle(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no model")
    (tmp_path / "bare.onnx").write_bytes(build_model().SerializeToString())
    changed = bytearray(DEMO_BUNDLE.read_bytes())
    changed[-1000] ^= 1
    (tmp_path / "changed.onnx").write_bytes(changed)
    for name in ("gone", "text", "bare", "changed"):
        path = tmp_path / f"{name}.onnx"
        for load in (stripwatch.load_model, stripwatch.read_bundle):
            with pytest.raises(stripwatch.BundleError, match=name):
                load(str(path))
    with pytest.raises(stripwatch.SettingsError, match="unknown provider 'gpu'; use one of auto, cpu"):
        stripwatch.load_model(DEMO_BUNDLE, provider="gpu")  # type: ignore[arg-type]


def test_the_environment_does_not_change_a_loaded_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("STRIPWATCH_THRESHOLDS", json.dumps({"grey": {"sure": 0.0}}))
    monkeypatch.setenv("STRIPWATCH_FRAME_BYTES_MAX", "1024")
    loaded = stripwatch.load_model(write_bundle(tmp_path / "tiny.onnx"), provider="cpu")
    assert loaded.info.thresholds == "bundle"
    assert loaded.inspect(encode_frame(0.5, size=(200, 300))).label == "grey"
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "")


def test_loads_a_promoted_bundle_by_its_name(tmp_path: Path) -> None:
    from stripwatch.export.bundles.registry import promote

    change = promote(tmp_path / "store", write_bundle(tmp_path / "tiny.onnx"))
    assert stripwatch.load_model(change.folder).info.sha256 == change.now.sha256
    assert stripwatch.read_bundle(change.folder).sha256 == change.now.sha256


def test_settings_come_from_a_file_and_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "worker.toml"
    file.write_text('bundle = "model.onnx"\nprocesses = 2\n')
    monkeypatch.setenv("STRIPWATCH_GROUP_ID", "mine")
    settings = stripwatch.load_settings(str(file))
    assert (settings.bundle, settings.group_id) == (Path("model.onnx"), "mine")
    assert stripwatch.load_settings().bundle is None
    with pytest.raises(stripwatch.SettingsError, match="processes = 2: run_worker runs one worker"):
        stripwatch.run_worker(settings)
    with pytest.raises(stripwatch.InputError, match=r"settings file .*no\.toml does not exist"):
        stripwatch.load_settings(tmp_path / "no.toml")


def test_run_worker_requires_a_bundle() -> None:
    with pytest.raises(stripwatch.SettingsError, match="setting 'bundle' is missing"):
        stripwatch.run_worker(stripwatch.load_settings())


@pytest.mark.parametrize("value", [b"", b"{}", b"\xff", b"[1]", b'{"schema": "stripwatch.result/1"}'])
def test_refuses_bytes_that_are_not_a_result(value: bytes) -> None:
    with pytest.raises(stripwatch.InputError, match="not a result event"):
        stripwatch.decode_result(value)


def test_results_state_the_novelty_score_and_those_of_older_versions_have_none(tmp_path: Path) -> None:
    model = stripwatch.load_model(write_bundle(tmp_path / "tiny.onnx", watchful_contract()))
    known, novel = model.inspect_batch([encode_frame(0.9), encode_frame(0.9, noise=NOISY)])
    assert (known.verdict, known.reason) == ("defect", None)
    assert (novel.verdict, novel.reason, novel.label, novel.defects) == ("unsure", "novel", "bright", ())
    assert known.novelty is not None
    assert novel.novelty is not None
    assert known.novelty < NOVELTY.threshold < novel.novelty
    assert model.info.novelty_threshold == NOVELTY.threshold
    older = stripwatch.decode_result(EVENT.read_bytes())
    assert (older.reason, older.novelty, older.model.novelty_threshold) == (None, None, None)


def test_refuses_another_schema_and_ignores_an_added_field() -> None:
    event = json.loads(EVENT.read_bytes())
    assert stripwatch.decode_result(EVENT.read_bytes()).defects[0].label == event["defects"][0]["label"]
    assert stripwatch.decode_result(json.dumps(event | {"added": 1}).encode()).id == event["id"]
    with pytest.raises(stripwatch.InputError, match=r"schema is 'stripwatch\.result/2'"):
        stripwatch.decode_result(json.dumps(event | {"schema": "stripwatch.result/2"}).encode())


def test_threads_may_import_a_name_concurrently() -> None:
    script = (
        "import threading, stripwatch; barrier = threading.Barrier(8)\n"
        "def ask(): barrier.wait(); found.append(stripwatch.load_model)\n"
        "found = []; threads = [threading.Thread(target=ask) for _ in range(8)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
        "assert len(found) == 8 and len(set(found)) == 1"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_documented_limits_are_those_of_the_settings() -> None:
    settings = stripwatch.load_settings()
    text = " ".join((LoadedModel.inspect.__doc__ or "").split())
    assert f"{settings.frames.bytes_max:,} bytes" in text
    assert f"{settings.frames.pixels_max:,} pixels" in text
    assert f"{settings.frames.side_px_min} pixels a side" in text


def test_run_worker_refuses_a_thread_other_than_the_main_thread() -> None:
    settings = stripwatch.load_settings()
    refused = pytest.raises(stripwatch.SettingsError, match="must be called from the main thread")
    with ThreadPoolExecutor(1) as pool, refused:
        pool.submit(stripwatch.run_worker, settings).result()
    with pytest.raises(TypeError, match="takes the settings from load_settings"):
        stripwatch.run_worker(None)  # type: ignore[arg-type]
