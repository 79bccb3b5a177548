"""A simulated coil with known content, sent through Kafka and a worker: every figure of its report is correct."""

import csv
import json
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from stripwatch.worker.common.process.ports import free_port
from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line, fetch, run_cli, running_worker
from tests.tiny import encode_frame
from tests.waiting import wait_until
from tests.worker.coils.process import running_coils, stopped, topic_arguments
from tests.worker.conftest import last_json
from tests.worker.dashboard.conftest import chromium, running_page

pytestmark = pytest.mark.long

LINE_URI = "/plant/hot-rolling/line-1"
WIDTH_PX, MM_PER_PX = 48, 4.175
FRAME_MM = WIDTH_PX * MM_PER_PX  # 200.4: positions and lengths are rounded
FRAME_MS = 10  # 20 m/s
FRAMES, RESET_AT = 300, 150
CLEAN, DEFECT = encode_frame(0.5), encode_frame(0.9)
WRONG_MM = 2**32 - 1
# The page waits as long as a worker may delay frames, which is 32 s with these settings.
QUICK = ("--set", "session_timeout_ms=1000", "--set", "drain_s_max=1")


@dataclass(frozen=True, slots=True)
class Shot:
    """A frame. place: strip position, in frames from the head. at: capture time, in frames since the first."""

    camera: str
    coil: str
    place: int
    at: int
    value: bytes
    position_mm: int
    direction: str = "forward"


def stated_mm(place: int) -> int:
    """Return the position that the frame states: the encoder is reset in the middle of the strip."""
    return round((place - (RESET_AT if place >= RESET_AT else 0)) * FRAME_MM)


class Truth:
    """A coil that two cameras see while a third is dead. In its second half the line runs in reverse for a while.

    top-1: one frame is damaged, and one states an impossible position. top-2 lost some frames of its own. Both cameras
    missed a section. One defect extends over frames 10 to 14, one over the reset, and one is where the strip passed
    three times. Ten frames of top-1, with one more defect, are inspected after the coil was summarized.
    """

    hole = range(60, 65)
    lost_by_2 = range(200, 202)
    damaged, outlier = 20, 100
    back_to, turn = 250, 299
    late = range(220, 230)
    defects = ((10, 15), (148, 153), (222, 226), (270, 271))

    def shots(self) -> Iterator[Shot]:
        passes = [(place, "forward") for place in range(self.turn + 1)]
        passes += [(place, "reverse") for place in range(self.turn, self.back_to - 1, -1)]
        passes += [(place, "forward") for place in range(self.back_to, FRAMES)]
        for camera in ("top-1", "top-2"):
            for at, (place, direction) in enumerate(passes):
                if place in self.hole or (camera == "top-2" and place in self.lost_by_2):
                    continue
                yield self._shot(camera, place, at, direction)

    def is_late(self, shot: Shot) -> bool:
        return (shot.coil, shot.camera) == ("T", "top-1") and shot.place in self.late

    def _shot(self, camera: str, place: int, at: int, direction: str) -> Shot:
        defect = camera == "top-1" and any(first <= place < last for first, last in self.defects)
        value, position = DEFECT if defect else CLEAN, stated_mm(place)
        if camera == "top-1" and place == self.damaged:
            value = CLEAN[:60]
        if camera == "top-1" and place == self.outlier:
            position = WRONG_MM
        return Shot(camera, "T", place, at, value, position, direction)

    # --- what every reader must report

    length_mm = round(FRAMES * FRAME_MM)
    uncovered_mm = round(len(hole) * FRAME_MM)

    def check(self, coil: dict[str, Any]) -> None:
        """Check lengths to the millimetres that rounding allows for each gap, and everything else exactly."""
        shots = list(self.shots())
        lost = {"top-1": len(self.hole) + 2, "top-2": len(self.hole) + len(self.lost_by_2), "bottom-1": FRAMES}
        assert abs(coil["length_mm"] - self.length_mm) <= 2
        assert abs(coil["uncovered_mm"] - self.uncovered_mm) <= 1
        (gap,) = coil["gaps"]
        assert coil["gaps_total"] == 1
        assert abs(gap["start"] - self.hole.start * FRAME_MM) <= 1
        assert abs(gap["end"] - self.hole.stop * FRAME_MM) <= 1
        for camera, frames in lost.items():
            assert abs(coil["cameras"][camera]["uncovered_mm"] - frames * FRAME_MM) <= 3, camera
        assert coil["partly_uncovered_mm"] == coil["length_mm"], "the dead camera has covered nothing"
        assert coil["cameras_silent"] == ["bottom-1"]
        assert coil["position_faults"] == {"outlier": 1, "reset": 1}
        assert coil["frames"] == {"inspected": len(shots) - 1, "skipped": 0, "rejected": 1}
        assert coil["defects"] == {"bright": len(self.defects)}
        for found, (first, last) in zip(coil["strip_defects"], self.defects, strict=True):
            assert abs(found["strip_mm"]["start"] - first * FRAME_MM) <= 2
            assert abs(found["strip_mm"]["end"] - last * FRAME_MM) <= 2
            assert found["camera"] == "top-1"


def neighbour(coil: str, cameras: Sequence[str], at: int) -> Iterator[Shot]:
    """Yield the frames of a short coil before or after the tested one."""
    for camera in cameras:
        for place in range(5):
            yield Shot(camera, coil, place, at + place, CLEAN, round(place * FRAME_MM))


def send(line: Line, shots: Sequence[Shot], begin: datetime) -> None:
    """Send each camera's frames to its partition, in capture order."""
    partitions = {camera: number for number, camera in enumerate(("top-1", "top-2", "bottom-1"))}
    with line.broker.producer() as producer:
        for shot in sorted(shots, key=lambda shot: shot.at):
            captured = begin + timedelta(milliseconds=shot.at * FRAME_MS)
            time.sleep(max(0.0, (captured - datetime.now(UTC)).total_seconds()))  # in real time, or clocks look wrong
            headers = {
                "ce_source": f"{LINE_URI}/{shot.camera}",
                "ce_time": captured.isoformat(timespec="milliseconds"),
                "ce_subject": shot.coil,
                "ce_strippositionmm": str(shot.position_mm),
                "ce_stripdirection": shot.direction,
            }
            producer.send(
                line.topics["frames"],
                shot.value,
                key=shot.camera.encode(),
                partition=partitions[shot.camera],
                headers=[(name, value.encode()) for name, value in headers.items()],
            )


def coil_named(coils: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (coil,) = [coil for coil in coils if coil["coil"] == name]
    return coil


def ended_on_page(address: str, name: str) -> dict[str, Any]:
    """Return the coil from the live page, once it has ended there."""
    found: list[dict[str, Any]] = []

    def ended() -> bool:
        with urllib.request.urlopen(f"{address}coils.json", timeout=10) as answer:
            found[:] = [coil for coil in json.load(answer) if coil["coil"] == name and coil["ended"]]
        return bool(found)

    wait_until(ended)
    return found[0]


def printed_facts(address: str, identity: str) -> dict[str, str]:
    """Return the header of the report in a browser."""
    with chromium() as browser:
        browser.get(f"{address}report?coil={identity}")
        WebDriverWait(browser, 60).until(
            lambda _: browser.execute_script("return document.body.dataset.state") == "done"
        )
        facts = browser.find_elements(By.CSS_SELECTOR, "#facts dt, #coverage dt")
        notes = {"notes": browser.find_element(By.ID, "notes").text}
        return notes | {fact.text: fact.find_element(By.XPATH, "following-sibling::dd").text for fact in facts}


def test_every_figure_of_a_coil_is_correct(broker: BrokerHandle, bundle: Path, tmp_path: Path) -> None:
    line, truth = Line.on(broker), Truth()
    line.topics["coils"] = broker.new_topic()
    everyone = ("top-1", "top-2", "bottom-1")
    shots = [*neighbour("before", everyone, 0)]
    shots += [Shot(s.camera, s.coil, s.place, s.at + 10, s.value, s.position_mm, s.direction) for s in truth.shots()]
    shots += [*neighbour("after", everyone, 450)]
    scales = [part for camera in everyone for part in ("--set", f"cameras.{camera}.mm_per_px={MM_PER_PX}")]
    late = [shot for shot in shots if truth.is_late(shot)]
    port = free_port()
    with (
        running_worker(line, bundle, "g", *scales) as worker,
        running_coils(line, "--metrics-port", str(port)) as process,
    ):
        worker.await_ready()
        begin = datetime.now(UTC)
        send(line, [shot for shot in shots if shot not in late], begin)
        early = line.read("coils", 2)
        send(line, late, begin)
        summaries = [record.json for record in line.read("coils", 3)]
        metrics = fetch(port, "/metrics")[1]
        stopped(process)
        assert worker.stop() == 0
    assert [record.json["coil"] for record in early] == ["before", "T"]
    assert summaries[0]["cameras_silent"] == []
    assert summaries[1]["defects"] == {"bright": len(truth.defects) - 1}
    assert (summaries[2]["id"], summaries[2]["revision"]) == (summaries[1]["id"], 2)
    truth.check(summaries[2])
    for fault, coils in {"outlier": 1, "reset": 1, "jump": 0, "reversed": 0, "silent_camera": 1}.items():
        assert f'stripwatch_coils_faulty_total{{fault="{fault}"}} {coils}.0' in metrics

    table = tmp_path / "coils.csv"
    told = run_cli("report", *topic_arguments(line), "--json", "--csv", str(table))
    assert told.returncode == 0, told.stderr
    truth.check(coil_named(last_json(told.stdout)["coils"], "T"))
    row = next(row for row in csv.DictReader(table.read_text().splitlines()) if row["coil"] == "T")
    assert (row["cameras_silent"], row["positions_outlier"], row["positions_reset"]) == ("bottom-1", "1", "1")
    assert row["uncovered_m"] == f"{summaries[2]['uncovered_mm'] / 1000:.3f}"

    with running_page(line, *QUICK) as address:
        shown = ended_on_page(address, "T")
        truth.check(shown)
        facts = printed_facts(address, shown["id"])
    assert facts["Length"] == f"{shown['length_mm'] / 1000:.3f} m"
    assert facts["Not covered"].startswith(f"{shown['uncovered_mm'] / 1000:.3f} m (")
    assert facts["Not by all cameras"] == f"{facts['Length']} (100.0 %)"
    assert "No frames from bottom-1." in facts["notes"]
    assert "Positions: 1 impossible position, 1 encoder reset." in facts["notes"]
    assert facts["Defects"] == str(len(truth.defects))
