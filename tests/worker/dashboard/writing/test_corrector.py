"""A correction is written with the original frame, read back by the page, and collected for training."""

import itertools
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from prometheus_client import CollectorRegistry

from stripwatch.training.datasets.dataset import read_dataset
from stripwatch.training.datasets.reviewed_folder import may_be_folder, read_entries, read_reviewed
from stripwatch.training.labeling.collect import Collector
from stripwatch.worker.broker.connection import client_config
from stripwatch.worker.broker.topic_drain import open_drain
from stripwatch.worker.common.errors import BrokerUnavailableError
from stripwatch.worker.config.loader import load_settings
from stripwatch.worker.config.settings import Settings
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.contracts.frame_headers import ReviewHeaders, read_frame_copy
from stripwatch.worker.contracts.line.correction import read_correction
from stripwatch.worker.contracts.positions import Position, Record
from stripwatch.worker.dashboard.state.corrections import Corrections
from stripwatch.worker.dashboard.writing.corrector import CorrectionRefusedError, Corrector
from stripwatch.worker.monitoring.view_metrics import ViewMetrics
from tests.brokers.handle import BrokerHandle
from tests.e2e.line import Line
from tests.tiny import encode_frame
from tests.worker.dashboard.correcting import (
    HEADERS,
    MODEL,
    Inspected,
    as_novel,
    corrector_on,
    history_of,
    inspected,
    send_frames,
    settings_for,
)


def picture(history: object, at: int) -> str:
    return str(history.cards_after(0)[at].picture)  # type: ignore[attr-defined]


def written(settings: Settings) -> list[Record]:
    with open_drain(client_config(settings), settings.topics.review, "reading", lambda: False) as records:
        return list(records)


@pytest.fixture(params=["embedded", pytest.param("apache", marks=pytest.mark.kafka)])
def any_broker(request: pytest.FixtureRequest) -> BrokerHandle:
    handle: BrokerHandle = request.getfixturevalue(f"{request.param}_broker")
    return handle


def test_corrections_reach_training_with_the_label_of_the_person(any_broker: BrokerHandle, tmp_path: Path) -> None:
    line = Line.on(any_broker, partitions=1)
    made, settings = send_frames(line, 3), settings_for(line)
    history = history_of(made)
    counted = metrics()
    with corrector_on(settings, history, counted) as corrector:
        assert corrector.choices(picture(history, 0)) == {
            "labels": ["pits", "scratches"],
            "predicted": "pits",
            "no_defect": "clean",
        }
        corrector.correct(picture(history, 0), "not_a_defect", None, "Ada")
        corrector.correct(picture(history, 1), "confirmed", None, "Ada")
        corrector.correct(picture(history, 2), "relabelled", "pits", "Ada")
        corrector.correct(picture(history, 2), "relabelled", "scratches", "Jürgen")
    for decision, count in {"not_a_defect": 1, "confirmed": 2, "relabelled": 1}.items():
        sample = counted.registry.get_sample_value("stripwatch_view_corrections_total", {"decision": decision})
        assert sample == count
    records = written(settings)
    for record, each in zip(records, [*made, made[2]], strict=True):
        assert_original(record, each)
    assert [read_correction(record.headers).decision for record in records] == [  # type: ignore[union-attr]
        "not_a_defect",
        "confirmed",
        "confirmed",
        "relabelled",
    ]
    assert len({dict(record.headers)["ce_id"] for record in records}) == 4, "each correction is an event"

    collector = Collector(tmp_path / "review", 0)
    collector.collect(records)
    assert collector.summary()["new"] == 3
    labels = {sample.name.partition("/")[2]: sample.labels for sample in read_dataset(tmp_path / "review").samples}
    wanted = zip(made, ("clean", "pits", "scratches"), strict=True)
    assert labels == {f"{each.result.id}.png": (label,) for each, label in wanted}
    assert {row.corrected_by for row in read_entries(tmp_path / "review").values()} == {"Ada", "Jürgen"}

    read_back = Corrections()
    for record in records:
        read_back.add_record(SimpleNamespace(headers=record.headers, offset=0))
    assert read_back.rows() == history.corrections.rows()
    assert read_back.of(made[2].result.id).by == "Jürgen"  # type: ignore[union-attr]


def assert_original(record: Record, each: Inspected) -> None:
    """The record holds the bytes, the key and the headers of the frame unchanged, and the prediction of the worker."""
    copy = read_frame_copy(record, ReviewHeaders)
    assert record.key == b"top-1"
    assert (copy.original.value, copy.original.key, copy.whole) == (each.frame.encoded, b"top-1", True)
    assert list(copy.original.headers) == HEADERS
    assert copy.original.position == each.frame.position
    assert (copy.own.event_id, copy.own.label, copy.own.model_sha256) == (each.result.id, "pits", "f" * 64)


def metrics() -> ViewMetrics:
    return ViewMetrics(CollectorRegistry())


class Frames:
    """A fetcher that returns one frame, or nothing."""

    def __init__(self, found: Inspected | None = None) -> None:
        self.found = found

    def frame(self, _: Position) -> Frame | None:
        return self.found.frame if self.found else None


class Sent:
    """A producer that keeps what it sends."""

    def __init__(self) -> None:
        self.records: list[tuple[object, ...]] = []

    def send(self, *record: object) -> None:
        self.records.append(record)


def local(number: int = 0, model: object = MODEL) -> Inspected:
    position = Position("inspection.frames", 0, number)
    return inspected(Record(position, 1_795_000_000_000 + number, b"top-1", encode_frame(0.5), HEADERS), "c", model)  # type: ignore[arg-type]


def refused(made: Inspected, frames: Frames, decision: str, label: str | None, name: str | None = None) -> int:
    history, sent = history_of([made]), Sent()
    corrector = Corrector(load_settings(None, {}), history, frames.frame, sent, metrics())  # type: ignore[arg-type]
    with pytest.raises(CorrectionRefusedError) as error:
        corrector.correct(name or picture(history, 0), decision, label, "Ada")  # type: ignore[arg-type]
    assert (sent.records, history.corrections.rows()) == ([], {})
    return error.value.status


@pytest.mark.parametrize(
    ("decision", "label"),
    [
        ("relabelled", "rust"),
        ("relabelled", ""),
        ("relabelled", None),
        ("confirmed", "pits"),
        ("not_a_defect", "clean"),
        ("relabelled", "PITS"),
        ("relabelled", "x" * 10_000),
    ],
)
def test_refuses_a_class_that_the_model_does_not_know(decision: str, label: str | None) -> None:
    made = local()
    assert refused(made, Frames(made), decision, label) == 400


@pytest.mark.parametrize("name", ["run/1", "../../etc", "", "1"])
def test_refuses_an_unknown_card(name: str) -> None:
    made = local()
    assert refused(made, Frames(made), "confirmed", None, name or "x") == 404


def test_writes_nothing_if_the_frame_is_gone_or_another_one() -> None:
    assert refused(local(1), Frames(None), "confirmed", None) == 410
    assert refused(local(1), Frames(local(2)), "confirmed", None) == 409


def test_a_model_without_a_no_defect_label_writes_no_label() -> None:
    made = local(model=msgspec.structs.replace(MODEL, no_defect=None))
    history, sent = history_of([made]), Sent()
    corrector = Corrector(load_settings(None, {}), history, Frames(made).frame, sent, metrics())  # type: ignore[arg-type]
    assert corrector.choices(picture(history, 0))["no_defect"] is None
    corrector.correct(picture(history, 0), "not_a_defect", None, "Ada")
    (record,) = sent.records
    headers = dict(record[3])  # type: ignore[call-overload]
    assert "stripwatch_corrected_label" not in headers
    assert headers["stripwatch_correction"] == b"not_a_defect"


def test_a_second_correction_is_later_even_if_the_clock_was_set_back() -> None:
    made, clock = local(), itertools.count(2_000_000_000, -10)
    history = history_of([made])
    corrector = Corrector(load_settings(None, {}), history, Frames(made).frame, Sent(), metrics(), lambda: next(clock))  # type: ignore[arg-type]
    first = corrector.correct(picture(history, 0), "confirmed", None, "Ada")
    second = corrector.correct(picture(history, 0), "not_a_defect", None, "Bob")
    assert second.at_ms > first.at_ms
    assert history.corrections.rows()[made.result.id]["by"] == "Bob"


class NoBroker:
    """A producer whose records Kafka does not acknowledge."""

    def send(self, topic: str, *_: object) -> None:
        raise BrokerUnavailableError(f"topic {topic!r} did not accept the record")


def test_nothing_counts_as_saved_without_an_acknowledgement() -> None:
    made = local()
    history, counted = history_of([made]), metrics()
    corrector = Corrector(load_settings(None, {}), history, Frames(made).frame, NoBroker(), counted)  # type: ignore[arg-type]
    with pytest.raises(CorrectionRefusedError, match=r"not saved: topic 'inspection\.review'") as error:
        corrector.correct(picture(history, 0), "confirmed", None, "Ada")
    assert (error.value.status, history.corrections.rows()) == (503, {})
    assert counted.registry.get_sample_value("stripwatch_view_corrections_total", {"decision": "confirmed"}) == 0


def novel_corrector(label: str = "pits") -> tuple[Corrector, str, Sent, ViewMetrics]:
    made, sent, counted = as_novel(local(), label), Sent(), metrics()
    history = history_of([made])
    corrector = Corrector(load_settings(None, {}), history, Frames(made).frame, sent, counted)  # type: ignore[arg-type]
    return corrector, picture(history, 0), sent, counted


def test_a_new_kind_of_defect_gets_the_name_that_a_person_gives_it() -> None:
    corrector, card, sent, counted = novel_corrector()
    assert corrector.choices(card) == {"labels": ["pits", "scratches"], "predicted": "pits", "no_defect": "clean"}
    correction = corrector.correct(card, "new_kind", "  oil   stain ", "Ada")
    assert (correction.decision, correction.label, correction.verdict) == ("relabelled", "oil stain", "unsure")
    headers = dict(sent.records[0][3])  # type: ignore[call-overload]
    assert (headers["stripwatch_correction"], headers["stripwatch_corrected_label"]) == (b"relabelled", b"oil stain")
    assert (headers["stripwatch_reason"], headers["stripwatch_novelty"]) == (b"novel", b"9.5")
    read = counted.registry.get_sample_value
    counts = [read("stripwatch_view_corrections_total", {"decision": each}) for each in ("new_kind", "relabelled")]
    assert counts == [1, 0]


@pytest.mark.parametrize(
    "name", ["", " ", "pits", "PITS", "Clean", "a/b", "a\\b", ".x", "_novel", "x" * 61, "a\x00b", None]
)
def test_refuses_a_new_kind_that_is_a_class_of_the_model_or_no_folder_name(name: str | None) -> None:
    corrector, card, sent, _ = novel_corrector()
    with pytest.raises(CorrectionRefusedError) as error:
        corrector.correct(card, "new_kind", name, "Ada")
    assert (error.value.status, sent.records) == (400, [])


def test_every_name_of_a_new_kind_becomes_a_folder_of_the_data_set() -> None:
    for name in ("oil stain", "Riß 2", "roll-mark", "x" * 60):
        corrector, card, *_ = novel_corrector()
        assert may_be_folder(corrector.correct(card, "new_kind", name, "Ada").label)


def test_a_novel_frame_that_is_most_like_a_clean_one_is_not_a_defect_if_that_is_confirmed() -> None:
    corrector, card, sent, _ = novel_corrector("clean")
    assert corrector.choices(card)["predicted"] == "clean"
    correction = corrector.correct(card, "confirmed", None, "Ada")
    assert (correction.decision, correction.label) == ("not_a_defect", "clean")
    assert len(sent.records) == 1


def test_a_new_kind_reaches_training_as_a_class_of_its_own(tmp_path: Path) -> None:
    corrector, card, sent, _ = novel_corrector()
    corrector.correct(card, "new_kind", "oil stain", "Ada")
    topic, key, value, headers = sent.records[0]
    collector = Collector(tmp_path / "review", 0)
    collector.collect([Record(Position(str(topic), 0, 0), 1, key, value, headers)])  # type: ignore[arg-type]
    assert [sample.labels for sample in read_reviewed(tmp_path / "review")] == [("oil stain",)]
    assert collector.summary()["novel"] == 1


def test_a_defect_of_an_anomaly_model_is_named_by_the_person() -> None:
    """Otherwise the next model would learn a class that means everything."""
    made = local(model=msgspec.structs.replace(MODEL, task="anomaly"))
    history, sent = history_of([made]), Sent()
    corrector = Corrector(load_settings(None, {}), history, Frames(made).frame, sent, metrics())  # type: ignore[arg-type]
    card = picture(history, 0)
    assert corrector.choices(card) == {"labels": [], "predicted": None, "no_defect": "clean"}
    for decision, label in (("confirmed", None), ("relabelled", "pits")):
        with pytest.raises(CorrectionRefusedError, match="give the defect a name"):
            corrector.correct(card, decision, label, "Ada")  # type: ignore[arg-type]
    assert corrector.correct(card, "not_a_defect", None, "Ada").label == "clean"
    assert corrector.correct(card, "new_kind", "roll mark", "Ada").label == "roll mark"
    assert dict(sent.records[-1][3])["stripwatch_reason"] == b"anomaly"  # type: ignore[call-overload]
