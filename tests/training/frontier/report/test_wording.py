import msgspec

from stripwatch.export.results.run_evaluation import Interval
from stripwatch.training.frontier.report.wording import sections
from tests.training.frontier.results import a_rate, a_result


def text_of(heading: str, found: list[tuple[str, list[str]]]) -> str:
    return " ".join(dict(found)[heading])


def test_the_recommendation_states_accuracy_cost_and_reason() -> None:
    text = text_of("Recommendation", sections(a_result()))
    assert "Use middle: it is the cheapest candidate at most 0.5 percentage points below the most accurate one." in text
    assert "5 of 1,000 frames wrong" in text
    assert "1.00 ms of processor time per frame (0.25 ms decoding, 0.75 ms inference)" in text
    assert "The most accurate candidate is dear" in text
    assert "its frame costs 20.0 times as much, its inference 26.3 times as much" in text


def test_more_accuracy_has_a_price_and_may_be_chance() -> None:
    text = text_of("What more accuracy would cost", sections(a_result()))
    assert "dear: 3 fewer of 1,000 frames wrong (0.30 points)" in text
    assert "may be chance (exact McNemar test, p = 0.5)" in text


def test_the_cost_for_the_line_is_per_camera() -> None:
    text = text_of("Cost for the line", sections(a_result(a_rate("middle"))))
    assert "360 frames per second from 12 cameras on 4 cores" in text
    assert "10.24 times the pixels" in text
    assert "middle takes 4.00 ms per frame and needs 2.1 of 4 cores, which is 0.18 cores per camera" in text


def test_nothing_is_recommended_if_nothing_reaches_the_rate() -> None:
    found = sections(a_result(a_rate(None)))
    assert "none is recommended" in text_of("Recommendation", found)
    assert "The cheapest one, cheap, takes 3.50 ms per frame and needs 1.8 cores" in text_of("Cost for the line", found)


def test_what_was_not_measured_and_what_was_rejected_is_named() -> None:
    text = text_of("What was compared", sections(a_result()))
    assert "4 candidates were scored and 3 of them timed" in text
    assert "mobilenet 224x224 grey: not tried" in text
    assert "cheap-int8 (int8, every convolution: accuracy loss" in text
    assert "A processor, 2 cores, ONNX Runtime 1.2.3, 2026-11-29" in text


def test_the_luck_of_the_best_is_stated() -> None:
    text = text_of("How far to trust the figures", sections(a_result()))
    assert "99.40% (95 % interval 98.50% to 99.90%)" in text


def test_an_interval_without_width_is_not_shown() -> None:
    heading = "How far to trust the figures"
    assert "the accuracy is 99.40% (95 % interval 98.50% to 99.90%)." in text_of(heading, sections(a_result()))
    certain = msgspec.structs.replace(a_result(), selected_accuracy=Interval(1.0, 1.0, 1.0))
    assert "the accuracy is 100.00%." in text_of(heading, sections(certain))
