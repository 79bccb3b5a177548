"""Searches and reports, with Kafka in memory and a page that has just started."""

from typing import Any

import msgspec
import pytest
from kafka.structs import TopicPartition

from stripwatch.worker.contracts.coil_summary import CoilSummary
from stripwatch.worker.contracts.topics import COILS, REJECTS, RESULTS
from stripwatch.worker.dashboard.past import coil_source
from stripwatch.worker.dashboard.past.coil_detail import CoilDetail
from stripwatch.worker.dashboard.past.errors import NotOnKafkaError
from stripwatch.worker.dashboard.past.jobs import Watch
from stripwatch.worker.dashboard.past.past_coils import FoundCoils, PastCoils
from stripwatch.worker.dashboard.past.query import CoilQuery, CoilTarget, ShiftQuery
from stripwatch.worker.dashboard.state.history import History
from tests.worker.dashboard.past.line_on_kafka import LineOnKafka, settings

ON_RESULTS = TopicPartition(RESULTS, 0)


def page(line: LineOnKafka, history: History | None = None, **given: Any) -> PastCoils:
    """The history of a page that has read everything that its history contains."""
    history = history or History()
    history.say("live")
    return PastCoils(
        settings(**given), history, lambda frame: frame.id, lambda: line.now_s, open_consumer=line.kafka.open
    )


def found(past: PastCoils, **parameters: str) -> FoundCoils:
    value = past.find(CoilQuery.of(parameters), Watch(60)).value
    assert value is not None
    return value


def detail(past: PastCoils, **parameters: str) -> CoilDetail:
    value = past.detail(CoilTarget.of(parameters), Watch(60)).value
    assert value is not None
    return value


def address(coil: CoilSummary) -> dict[str, str]:
    """The parameters of the report's address."""
    known = {"id": coil.id, "line": coil.line, "name": coil.coil}
    known |= {"from": coil.first_captured_at, "to": coil.last_captured_at}
    return {name: value for name, value in known.items() if value}


@pytest.fixture
def line() -> LineOnKafka:
    """A line that ran three coils one after the other, and then the next."""
    line = LineOnKafka()
    line.run("C-100", 50, {3: "pits", 20: "pits"})
    line.run("C-101", 75, {0: "pits", 25: "pits", 74: "pits"})
    line.reject("C-101", 75)
    line.run("C-200", 50)
    line.pause(600)
    line.run("C-201", 5)
    return line


def test_finds_coils_in_the_results_without_summaries(line: LineOnKafka) -> None:
    answer = found(page(line), coil="c-10")
    assert [(coil.coil, coil.ended, coil.frames.inspected, coil.frames.rejected) for coil in answer.coils] == [
        ("C-100", "next-coil", 50, 0),
        ("C-101", "next-coil", 75, 1),
    ]
    assert (answer.source, answer.since, answer.summaries_until) == ("results", None, None)
    assert (answer.kafka.results, answer.kafka.oldest_result_at) == (181, "2027-01-15T08:00:00.000Z")


def test_finds_coils_by_time(line: LineOnKafka) -> None:
    assert [coil.coil for coil in found(page(line), to="2027-01-15T08:03:00Z").coils] == ["C-100"]
    between = {"from": "2027-01-15T08:05:00Z", "to": "2027-01-15T08:09:00Z"}
    assert [coil.coil for coil in found(page(line), **between).coils] == ["C-101", "C-200"]


def test_finds_coils_in_the_summaries_without_reading_the_results(line: LineOnKafka) -> None:
    for coil in found(page(line)).coils:
        line.summarize(coil)
    line.kafka.deleted[ON_RESULTS] = len(line.kafka.records[ON_RESULTS])
    answer = found(page(line), coil="C-10")
    assert ([coil.coil for coil in answer.coils], answer.source) == (["C-100", "C-101"], "summaries")
    assert answer.kafka.summaries == 4


def test_second_search_reads_only_new_summaries(line: LineOnKafka) -> None:
    coils = found(page(line)).coils
    past = page(line)
    line.summarize(coils[0])
    assert found(past).kafka.summaries == 1
    line.summarize(coils[1])
    line.summarize(msgspec.structs.replace(coils[0], revision=2, flagged=7))
    line.summarize(coils[0])
    line.kafka.send(COILS, b"{", round(1000 * line.now_s))
    answer = found(past)
    assert [(coil.coil, coil.revision, coil.flagged) for coil in answer.coils] == [("C-100", 2, 7), ("C-101", 1, 0)]
    line.kafka.deleted[TopicPartition(COILS, 0)] = 2
    assert [coil.coil for coil in found(past).coils] == ["C-100"], "the summary of C-101 was deleted"


def test_says_that_the_summaries_have_stopped(line: LineOnKafka) -> None:
    (first, *_) = found(page(line)).coils
    line.summarize(first)
    line.pause(7200)
    line.run("C-300", 10)
    history = History()
    for record in line.kafka.records[ON_RESULTS]:
        history.add_result(record.value, record.timestamp, record.timestamp / 1000, live=True)
    history.close_coils(line.now_s + 1000)
    assert found(page(line, history)).summaries_until == first.last_captured_at


def test_adds_the_coils_that_only_the_page_knows(line: LineOnKafka) -> None:
    (first, *_) = found(page(line)).coils
    line.summarize(first)
    history = History()
    for record in line.kafka.records[ON_RESULTS]:
        history.add_result(record.value, record.timestamp, record.timestamp / 1000, live=True)
    assert [coil.coil for coil in found(page(line, history)).coils] == ["C-100", "C-101", "C-200", "C-201"]


def test_reads_the_newest_results_if_there_are_too_many(line: LineOnKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coil_source, "RECORDS_MAX", 80)
    answer = found(page(line))
    assert [coil.coil for coil in answer.coils] == ["C-101", "C-200", "C-201"]
    assert answer.since is not None
    assert "2027-01-15T08:06:" in answer.since


def test_report_of_a_coil_that_the_page_has_forgotten(line: LineOnKafka) -> None:
    coil = found(page(line), coil="C-101").coils[0]
    report = detail(page(line), **address(coil))
    assert (report.coil.id, report.source, report.first_frames_unread, report.notes) == (coil.id, "results", False, [])
    assert report.coil.strip_defects_total == 3
    assert len(report.coil.strip_defects) == 3
    assert (len(report.map.marks), report.map.strip, report.frames_read) == (3, (0, 15_000), 76)
    assert [(model["name"], model["frames"]) for model in report.models] == [("neu", 75)]
    assert [(one.label, one.strip_mm) for one in report.most_serious] == [
        ("pits", (50, 150)),
        ("pits", (5_050, 5_150)),
        ("pits", (14_850, 14_950)),
    ]


def test_report_needs_only_the_id_if_the_results_are_few(line: LineOnKafka) -> None:
    coil = found(page(line), coil="C-101").coils[0]
    assert detail(page(line), id=coil.id).coil.coil == "C-101"


def test_report_reads_only_the_records_that_the_summary_names(line: LineOnKafka) -> None:
    first, second, *_ = found(page(line)).coils
    line.summarize(first)
    line.summarize(second)
    assert second.offsets[f"{RESULTS}-0"].first == 50
    line.kafka.polls = 0
    report = detail(page(line), id=second.id)
    assert (report.source, report.coil.coil, report.frames_read) == ("summaries", "C-101", 76)
    assert line.kafka.polls < 8, "one poll for the summaries, one for the summary, and two for the records"


def test_report_says_how_many_frames_are_no_longer_on_kafka(line: LineOnKafka) -> None:
    coil = found(page(line), coil="C-101").coils[0]
    line.summarize(coil)
    line.kafka.deleted[ON_RESULTS] = 75
    report = detail(page(line), id=coil.id)
    assert report.notes == [
        "The results of 25 of 76 frames are no longer on Kafka: map, pictures and models show only the others. The "
        "figures are those of the whole coil."
    ]
    assert (report.coil.frames.inspected, report.frames_read, len(report.map.marks)) == (75, 51, 2)


def test_report_without_results_shows_its_summary(line: LineOnKafka) -> None:
    coil = detail(page(line), **address(found(page(line), coil="C-101").coils[0])).coil
    line.summarize(coil)
    for topic in (RESULTS, REJECTS):
        line.kafka.deleted[TopicPartition(topic, 0)] = len(line.kafka.records[TopicPartition(topic, 0)])
    report = detail(page(line), id=coil.id)
    assert report.notes[0].startswith("The results of this coil are no longer on Kafka.")
    assert (report.models, report.frames_read) == ([], 0)
    assert [one.picture for one in report.most_serious] == [None, None, None]
    assert len(report.map.marks) == 3
    assert [lane.covered for lane in report.map.lanes] == [[(0, 15_000)]]


def test_report_warns_that_the_first_frames_were_deleted(line: LineOnKafka) -> None:
    coil = found(page(line), coil="C-101").coils[0]
    line.kafka.deleted[ON_RESULTS] = 65
    report = detail(page(line), **address(coil))
    assert (report.coil.coil, report.coil.frames.inspected, report.first_frames_unread) == ("C-101", 60, True)
    assert report.coil.id != coil.id, "the id names the first frame"


def test_report_of_a_running_coil_is_that_of_the_page_with_pictures(line: LineOnKafka) -> None:
    line.run("C-300", 20, {7: "pits"})
    history = History()
    for record in line.kafka.records[ON_RESULTS]:
        history.add_result(record.value, record.timestamp, record.timestamp / 1000, live=True)
    (running,) = (coil for coil in history.coils() if coil.coil == "C-300")
    report = detail(page(line, history), id=running.id)
    assert (report.source, report.coil, report.frames_read) == ("page", running, 20)
    assert [one.picture for one in report.most_serious] == ["/plant/line-1-C-300-top-1-7"]


def test_report_of_an_unknown_coil_says_since_when_kafka_has_results(line: LineOnKafka) -> None:
    with pytest.raises(NotOnKafkaError) as raised:
        detail(page(line), id="coil-1", name="C-1", **{"from": "2027-01-14T00:00:00Z", "to": "2027-01-14T00:10:00Z"})
    assert str(raised.value) == "the coil C-1 is not on Kafka; its oldest result is from 2027-01-15T08:00:00.000Z"


def test_most_serious_defects_are_those_of_the_most_severe_class(line: LineOnKafka) -> None:
    line.run("C-400", 60, {**dict.fromkeys(range(0, 60, 4), "scratches"), 30: "crack"})
    line.pause(600)
    line.run("C-401", 1)
    coil = found(page(line), coil="C-400").coils[0]
    report = detail(page(line, severity={"crack": "critical", "scratches": "minor"}), **address(coil))
    assert [one.severity for one in report.most_serious] == ["critical"] + 9 * ["minor"]
    assert report.coil.state == "alarm"


def test_compares_shifts_from_the_summaries(line: LineOnKafka) -> None:
    for coil in found(page(line)).coils:
        if coil.ended:
            line.summarize(coil)
    past = page(line, view={"shifts": ["08:00", "08:06"]})
    value = past.shifts(ShiftQuery(3), Watch(60)).value
    assert value is not None
    assert [(shift.start, shift.coils, shift.is_complete) for shift in value.shifts] == [
        ("2027-01-14T08:06+00:00", 0, False),
        ("2027-01-15T08:00+00:00", 1, True),
        ("2027-01-15T08:06+00:00", 2, True),
    ]
    assert (value.lines, value.time_zone, value.source) == (["/plant/line-1"], "UTC", "summaries")
    other = past.shifts(ShiftQuery(3, line="/other"), Watch(60)).value
    assert other is not None
    assert sum(shift.coils for shift in other.shifts) == 0
