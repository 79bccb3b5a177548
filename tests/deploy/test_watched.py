"""A real Prometheus detects the faults of a real line, and answers the boards' queries.

It is one test with a step per fault, because the last steps need a Prometheus that has seen all faults.
"""

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.boards.__main__ import BOARDS
from tests.deploy.cameras import BETWEEN, BLURRED, BRIGHT, CUT_OFF, DARK, GREY, Cameras, playing
from tests.deploy.conftest import Watched
from tests.deploy.prometheus import Target, hurried, until
from tests.deploy.slow import slow_model
from tests.e2e.line import Line, WorkerProcess, running_worker
from tests.tiny import write_bundle

pytestmark = pytest.mark.long

GRAFANA = Path(__file__).parents[2] / "deploy" / "grafana"
VARIABLES = {"$line": ".*", "$camera": ".*", "$instance": ".*", "$__rate_interval": "2m", "$__range": "10m"}
# This worker delivers at least once, its port has no TLS, its bundle has no novelty score, and no process
# summarizes coils or serves the page. test_boards.py verifies that
# these metrics exist.
MAY_BE_EMPTY = {
    "Transactions",
    "Novel frames",
    "Novelty scores",
    "Coloured frames",  # only if a frame has colour that the model does not see
    "Certificate of the health port",
    "Frames counted in coils",
    "Frames after the end of their coil",
    "Coil summaries",
    "Coils with wrong positions or a silent camera",
    "State of the running coil",
    "Alarms of coils",
    "Live page",
}


def set_right(watched: Watched) -> None:
    """Reset the line to its normal state."""
    watched.cameras.images = {"top-1": GREY, "top-2": GREY * 4 + BRIGHT[:1]}
    watched.cameras.ahead, watched.cameras.position = timedelta(0), b"1000"
    watched.prometheus.watch({"worker": Target(watched.port)})


def await_alert(watched: Watched, name: str, **labels: str) -> None:
    def fires() -> bool:
        wanted = {"alertname": name, **labels}.items()
        return any(wanted <= alert.items() for alert in watched.prometheus.firing())

    until(fires, f"{name} fires")


def await_query(watched: Watched, expr: str) -> None:
    until(lambda: bool(watched.prometheus.query(hurried(expr))), f"{expr} has a value")


def a_good_day_is_quiet(watched: Watched, bundle: Path, folder: Path) -> None:
    await_query(watched, "line:stripwatch_verdicts:usual_ratio{verdict='defect'} > 0")
    until(lambda: not watched.prometheus.firing(), "nothing fires")
    await_query(watched, "line:stripwatch_frames:rate1m{line='line-1'} > 20")


def dark_frames(watched: Watched, bundle: Path, folder: Path) -> None:
    """The tiny model classifies these frames as defects."""
    watched.cameras.images = {"top-1": DARK, "top-2": DARK}
    await_alert(watched, "StripwatchDefectRateHigh", line="line-1")
    await_alert(watched, "StripwatchCameraDark", camera="top-1")
    await_alert(watched, "StripwatchFramesDrift", camera="top-2", statistic="brightness")


def a_lens_that_gets_dirty_and_a_picture_that_stands_still(watched: Watched, bundle: Path, folder: Path) -> None:
    watched.cameras.images = {"top-1": BLURRED, "top-2": GREY[:1]}
    await_alert(watched, "StripwatchCameraBlurred", camera="top-1")
    await_alert(watched, "StripwatchCameraFrozen", camera="top-2")


def frames_that_the_model_is_unsure_of(watched: Watched, bundle: Path, folder: Path) -> None:
    watched.cameras.images = {"top-1": BETWEEN, "top-2": GREY}
    await_alert(watched, "StripwatchUnsureRateHigh", line="line-1")
    await_alert(watched, "StripwatchScoresDrift", camera="top-1", statistic="confidence")


def a_camera_that_stops(watched: Watched, bundle: Path, folder: Path) -> None:
    watched.cameras.images = {"top-1": GREY}
    await_query(watched, 'stripwatch_camera_condition{camera="top-2", condition="silent"} == 1')
    await_alert(watched, "StripwatchCameraSilent", camera="top-2")


def frames_that_are_cut_off(watched: Watched, bundle: Path, folder: Path) -> None:
    watched.cameras.images = {"top-1": CUT_OFF, "top-2": GREY}
    await_alert(watched, "StripwatchRejectsHigh", reason="truncated")


def headers_that_cannot_be_read_and_a_clock_that_is_ahead(watched: Watched, bundle: Path, folder: Path) -> None:
    watched.cameras.position, watched.cameras.ahead = b"a metre or two", timedelta(hours=1)
    await_alert(watched, "StripwatchHeadersMalformed", header="ce_strippositionmm")
    await_alert(watched, "StripwatchCameraClockAhead")


def a_worker_that_is_not_where_it_should_be(watched: Watched, bundle: Path, folder: Path) -> None:
    watched.prometheus.watch({"worker": Target(watched.port, device="gpu")})
    await_alert(watched, "StripwatchWrongProvider", line="line-1")


def a_slow_model(watched: Watched, bundle: Path, folder: Path) -> None:
    line, cameras = Line.on(watched.line.broker, partitions=1), Cameras({"top-1": GREY})
    slow = write_bundle(folder / "slow.onnx", model=slow_model())
    options = ("--batch-frames-max", "1", "--set", "inference_threads=1")
    with running_worker(line, slow, "slow", *options) as worker:
        port = worker.await_ready()
        watched.prometheus.watch({"worker": Target(watched.port), "slow": Target(port, line="line-2")})
        with playing(cameras, line.broker, line.topics["frames"]):
            await_alert(watched, "StripwatchFrameAgeHigh", line="line-2")
            await_alert(watched, "StripwatchLagGrows", line="line-2")


def tampered(bundle: Path, out: Path) -> Path:
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    out.write_bytes(data)
    return out


def a_wrong_bundle_beside_the_line(watched: Watched, bundle: Path, folder: Path) -> None:
    """The worker keeps the running bundle."""
    tampered(bundle, folder / "wrong.onnx").replace(watched.bundle)
    await_alert(watched, "StripwatchBundleRefused")
    right = Path(shutil.copy(bundle, folder / "right.onnx"))
    right.replace(watched.bundle)
    await_query(watched, "stripwatch_bundle_outdated == 0")
    await_query(watched, "line:stripwatch_frames:rate1m{line='line-1'} > 20")


def a_shadow_that_disagrees(watched: Watched, bundle: Path, folder: Path) -> None:
    """The shadow model disagrees on bright frames."""
    watched.cameras.images = {"top-1": BRIGHT, "top-2": GREY}
    await_alert(watched, "StripwatchShadowDisagrees", line="line-1")


def a_worker_that_starts_with_a_wrong_bundle(watched: Watched, bundle: Path, folder: Path) -> None:
    """The worker rejects the setting and exits, so nothing answers at its port."""
    wrong = tampered(bundle, folder / "wrong.onnx")
    worker = WorkerProcess(watched.line, wrong, "wrong")
    try:
        port = worker.await_log("starting")["metrics_port"]
        watched.prometheus.watch({"worker": Target(watched.port), "wrong": Target(port)})
        await_alert(watched, "StripwatchWorkerDown", instance=f"127.0.0.1:{port}")
        assert worker.process.wait(30) == 3
    finally:
        worker.kill()


def every_query_of_a_board_has_an_answer(watched: Watched, bundle: Path, folder: Path) -> None:
    """Only panels in MAY_BE_EMPTY are empty after all these faults, and every label in a legend has a value.

    `process` alone is not: it is there where a machine has several workers under a supervisor.
    """
    for board in (json.loads((GRAFANA / name).read_text()) for name in BOARDS):
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                if panel["title"] not in MAY_BE_EMPTY:
                    check_answer(watched, target["expr"], target["legendFormat"], panel["title"])
        for annotation in board["annotations"]["list"]:
            check_answer(watched, annotation["expr"], annotation["titleFormat"], annotation["name"])


def check_answer(watched: Watched, expr: str, legend: str, title: str) -> None:
    for variable, value in VARIABLES.items():
        expr = expr.replace(variable, value)
    answer: list[dict[str, Any]] = watched.prometheus.query_range(hurried(expr), watched.began_s)
    assert answer, f"panel {title!r} is empty: {expr}"
    labels = {label for series in answer for label in series["metric"]}
    legend_labels = {part.partition("}}")[0] for part in legend.split("{{")[1:]}
    assert legend_labels - {"process"} <= labels, f"panel {title!r} has no label of its legend {legend!r}"


def what_alerts_say_is_rendered(watched: Watched, bundle: Path, folder: Path) -> None:
    watched.cameras.images = {"top-1": CUT_OFF, "top-2": GREY}
    await_alert(watched, "StripwatchRejectsHigh", reason="truncated")
    said = watched.prometheus.annotations()
    assert any("of the frames of line-1 are rejected as truncated." in summary for summary in said)
    assert not any("error" in summary or "{{" in summary or "<no value>" in summary for summary in said)


def a_line_that_stands_and_then_has_no_worker(watched: Watched, bundle: Path, folder: Path) -> None:
    watched.cameras.images = {}
    await_alert(watched, "StripwatchLineSilent", line="line-1")
    assert watched.worker.stop() == 0
    await_alert(watched, "StripwatchNoWorker")


STEPS = (
    a_good_day_is_quiet,
    dark_frames,
    a_lens_that_gets_dirty_and_a_picture_that_stands_still,
    frames_that_the_model_is_unsure_of,
    a_camera_that_stops,
    frames_that_are_cut_off,
    headers_that_cannot_be_read_and_a_clock_that_is_ahead,
    a_worker_that_is_not_where_it_should_be,
    a_slow_model,
    a_wrong_bundle_beside_the_line,
    a_shadow_that_disagrees,
    a_worker_that_starts_with_a_wrong_bundle,
    every_query_of_a_board_has_an_answer,
    what_alerts_say_is_rendered,
    a_line_that_stands_and_then_has_no_worker,
)


def test_alerts_and_boards_during_all_faults_of_a_line(watched: Watched, bundle: Path, tmp_path: Path) -> None:
    for step in STEPS:
        set_right(watched)
        folder = tmp_path / step.__name__
        folder.mkdir()
        try:
            step(watched, bundle, folder)
        except BaseException as error:
            error.add_note(f"in step {step.__name__!r}")
            raise
