"""Faults of a real line seen by a real Prometheus, and the boards' queries on it. The tests run in this order."""

import json
import shutil
from collections.abc import Iterator
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
# This worker delivers at least once, its port has no TLS, and nobody summarises coils; the metrics are held to exist in
# test_boards.py.
MAY_BE_EMPTY = {
    "Transactions",
    "Certificate of the health port",
    "Frames counted in coils",
    "Frames after the end of their coil",
    "Summaries of coils",
    "Coils with wrong positions or a silent camera",
}


@pytest.fixture
def ordinary(watched: Watched) -> Iterator[Watched]:
    """The line on a good day, also after the test."""
    cameras = watched.cameras

    def set_right() -> None:
        cameras.images = {"top-1": GREY, "top-2": GREY * 4 + BRIGHT[:1]}
        cameras.ahead, cameras.position = timedelta(0), b"1000"
        watched.prometheus.watch({"worker": Target(watched.port)})

    set_right()
    yield watched
    set_right()


def await_alert(watched: Watched, name: str, **labels: str) -> None:
    def fires() -> bool:
        wanted = {"alertname": name, **labels}.items()
        return any(wanted <= alert.items() for alert in watched.prometheus.firing())

    until(fires, f"{name} fires")


def await_query(watched: Watched, expr: str) -> None:
    until(lambda: bool(watched.prometheus.query(hurried(expr))), f"{expr} has a value")


def test_a_good_day_is_quiet(ordinary: Watched) -> None:
    await_query(ordinary, "line:stripwatch_verdicts:usual_ratio{verdict='defect'} > 0")
    until(lambda: not ordinary.prometheus.firing(), "nothing fires")
    await_query(ordinary, "line:stripwatch_frames:rate1m{line='line-1'} > 20")


def test_dark_frames(ordinary: Watched) -> None:
    """The tiny model calls them a defect."""
    ordinary.cameras.images = {"top-1": DARK, "top-2": DARK}
    await_alert(ordinary, "StripwatchDefectRateHigh", line="line-1")
    await_alert(ordinary, "StripwatchCameraDark", camera="top-1")
    await_alert(ordinary, "StripwatchFramesDrift", camera="top-2", statistic="brightness")


def test_a_lens_that_gets_dirty_and_a_picture_that_stands_still(ordinary: Watched) -> None:
    ordinary.cameras.images = {"top-1": BLURRED, "top-2": GREY[:1]}
    await_alert(ordinary, "StripwatchCameraBlurred", camera="top-1")
    await_alert(ordinary, "StripwatchCameraFrozen", camera="top-2")


def test_frames_that_the_model_is_unsure_of(ordinary: Watched) -> None:
    ordinary.cameras.images = {"top-1": BETWEEN, "top-2": GREY}
    await_alert(ordinary, "StripwatchUnsureRateHigh", line="line-1")
    await_alert(ordinary, "StripwatchScoresDrift", camera="top-1", statistic="confidence")


def test_a_camera_that_stops(ordinary: Watched) -> None:
    ordinary.cameras.images = {"top-1": GREY}
    await_query(ordinary, 'stripwatch_camera_condition{camera="top-2", condition="silent"} == 1')
    await_alert(ordinary, "StripwatchCameraSilent", camera="top-2")


def test_frames_that_are_cut_off(ordinary: Watched) -> None:
    ordinary.cameras.images = {"top-1": CUT_OFF, "top-2": GREY}
    await_alert(ordinary, "StripwatchRejectsHigh", reason="truncated")


def test_headers_that_cannot_be_read_and_a_clock_that_is_ahead(ordinary: Watched) -> None:
    ordinary.cameras.position, ordinary.cameras.ahead = b"a metre or two", timedelta(hours=1)
    await_alert(ordinary, "StripwatchHeadersMalformed", header="ce_strippositionmm")
    await_alert(ordinary, "StripwatchCameraClockAhead")


def test_a_worker_that_is_not_where_it_should_be(ordinary: Watched) -> None:
    ordinary.prometheus.watch({"worker": Target(ordinary.port, device="gpu")})
    await_alert(ordinary, "StripwatchWrongProvider", line="line-1")


def test_a_slow_model(ordinary: Watched, tmp_path: Path) -> None:
    line, cameras = Line.on(ordinary.line.broker, partitions=1), Cameras({"top-1": GREY})
    slow = write_bundle(tmp_path / "slow.onnx", model=slow_model())
    options = ("--batch-frames-max", "1", "--set", "inference_threads=1")
    with running_worker(line, slow, "slow", *options) as worker:
        port = worker.await_ready()
        ordinary.prometheus.watch({"worker": Target(ordinary.port), "slow": Target(port, line="line-2")})
        with playing(cameras, line.broker, line.topics["frames"]):
            await_alert(ordinary, "StripwatchFrameAgeHigh", line="line-2")
            await_alert(ordinary, "StripwatchLagGrows", line="line-2")


def tampered(bundle: Path, out: Path) -> Path:
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    out.write_bytes(data)
    return out


def test_a_wrong_bundle_beside_the_line(ordinary: Watched, bundle: Path, tmp_path: Path) -> None:
    """The worker keeps the one that runs."""
    tampered(bundle, tmp_path / "wrong.onnx").replace(ordinary.bundle)
    await_alert(ordinary, "StripwatchBundleRefused")
    right = Path(shutil.copy(bundle, tmp_path / "right.onnx"))
    right.replace(ordinary.bundle)
    await_query(ordinary, "stripwatch_bundle_outdated == 0")
    await_query(ordinary, "line:stripwatch_frames:rate1m{line='line-1'} > 20")


def test_a_shadow_that_disagrees(ordinary: Watched) -> None:
    """About bright frames."""
    ordinary.cameras.images = {"top-1": BRIGHT, "top-2": GREY}
    await_alert(ordinary, "StripwatchShadowDisagrees", line="line-1")


def test_a_worker_that_starts_with_a_wrong_bundle(ordinary: Watched, bundle: Path, tmp_path: Path) -> None:
    """It refuses it and ends, so that nothing answers at its port."""
    wrong = tampered(bundle, tmp_path / "wrong.onnx")
    worker = WorkerProcess(ordinary.line, wrong, "wrong")
    try:
        port = worker.await_log("starting")["metrics_port"]
        ordinary.prometheus.watch({"worker": Target(ordinary.port), "wrong": Target(port)})
        await_alert(ordinary, "StripwatchWorkerDown", instance=f"127.0.0.1:{port}")
        assert worker.process.wait(30) == 3
    finally:
        worker.kill()


@pytest.mark.parametrize("name", BOARDS)
def test_every_query_of_a_board_has_an_answer(ordinary: Watched, name: str) -> None:
    """After all these faults no panel but those of MAY_BE_EMPTY is empty, and a label in a legend is in the answer.

    `process` alone is not: it is there where a machine has several workers under a supervisor.
    """
    board = json.loads((GRAFANA / name).read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            if panel["title"] not in MAY_BE_EMPTY:
                check_answer(ordinary, target["expr"], target["legendFormat"], panel["title"])
    for annotation in board["annotations"]["list"]:
        check_answer(ordinary, annotation["expr"], annotation["titleFormat"], annotation["name"])


def check_answer(watched: Watched, expr: str, legend: str, title: str) -> None:
    for variable, value in VARIABLES.items():
        expr = expr.replace(variable, value)
    answer: list[dict[str, Any]] = watched.prometheus.query_range(hurried(expr), watched.began_s)
    assert answer, f"panel {title!r} is empty: {expr}"
    labels = {label for series in answer for label in series["metric"]}
    legend_labels = {part.partition("}}")[0] for part in legend.split("{{")[1:]}
    assert legend_labels - {"process"} <= labels, f"panel {title!r} has no label of its legend {legend!r}"


def test_what_alerts_say_is_rendered(ordinary: Watched) -> None:
    ordinary.cameras.images = {"top-1": CUT_OFF, "top-2": GREY}
    await_alert(ordinary, "StripwatchRejectsHigh", reason="truncated")
    said = ordinary.prometheus.annotations()
    assert any("of the frames of line-1 are rejected as truncated." in summary for summary in said)
    assert not any("error" in summary or "{{" in summary or "<no value>" in summary for summary in said)


def test_a_line_that_stands_and_then_has_no_worker(ordinary: Watched) -> None:
    ordinary.cameras.images = {}
    await_alert(ordinary, "StripwatchLineSilent", line="line-1")
    assert ordinary.worker.stop() == 0
    await_alert(ordinary, "StripwatchNoWorker")
