"""A camera is novel if far more of its frames are novel than the false alarms to expect."""

from math import comb
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.config.observer_sections import DriftSettings
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.observers.novel_frames import NovelFrames, chance_max
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.outcomes import Prediction, Skipped
from tests.clock import ManualClock
from tests.frames import make_frame
from tests.worker.observers.novelty_models import SPEC, novelty_model
from tests.worker.pipeline.samples import reject

EVENTS = EventBuilder({})
MODEL = novelty_model()


class Watched:
    def __init__(self, cameras: tuple[str, ...] = ("top-1", "top-2"), **settings: float) -> None:
        self.clock = ManualClock()
        settings_ = DriftSettings(**settings)  # type: ignore[arg-type]
        self.novel = NovelFrames(settings_, lambda name: name if name in cameras else "other", self.clock.monotonic)

    def sees(self, frames: int, novelty: float | None = 1.0, model: LoadedModel = MODEL, **frame: Any) -> None:
        for _ in range(frames):
            made = make_frame(5, **frame)
            outcome = Prediction(made, model, 10, 10, (0.9, 0.1), 0.0, 0.0, 0.0, novelty=novelty)
            self.novel.on_sent(outcome, EVENTS.result(outcome, 0.0))

    def counts(self, camera: str = "top-1") -> tuple[int, int] | None:
        counts = self.novel.counts(camera)
        return (counts.novel, counts.frames) if counts else None

    @property
    def is_novel(self) -> bool:
        return self.novel.is_novel("top-1")


@pytest.mark.parametrize(
    ("known", "novel", "expected"),
    [
        (0, 9, False),
        (0, 10, True),
        (90, 12, False),  # likely by chance in a thousand years
        (90, 13, True),
        (5700, 299, False),  # 5 % are five times the false-alarm rate of 1 %
        (5700, 300, True),
        (5940, 60, False),
        (0, 0, False),
    ],
)
def test_more_frames_must_be_novel_than_chance_explains(known: int, novel: int, expected: bool) -> None:
    line = Watched()
    line.sees(known)
    line.sees(novel, 9.0)
    assert line.is_novel == expected


def test_a_measured_false_alarm_rate_counts_if_it_is_higher_than_the_one_aimed_for() -> None:
    line = Watched()
    line.sees(940)
    line.sees(60, 9.0)
    assert line.is_novel
    measured = novelty_model(msgspec.structs.replace(SPEC, measured_share=0.02))
    other = Watched()
    other.sees(940, model=measured)
    other.sees(60, 9.0, model=measured)
    assert not other.is_novel


def test_the_window_forgets() -> None:
    line = Watched(novel_window_s=60)
    line.sees(20, 9.0)
    assert (line.counts(), line.is_novel) == ((20, 20), True)
    line.clock.now_s += 61
    assert (line.counts(), line.is_novel) == ((0, 0), False)


def test_a_novel_camera_remains_novel_until_half_of_the_share_is_left() -> None:
    line, seen = Watched(), []
    for known, novel in ((0, 20), (780, 0), (10, 0), (0, 5)):
        line.sees(known)
        line.sees(novel, 9.0)
        seen.append(line.is_novel)
    assert seen == [True, True, False, False], (
        "2.5 % are half of five times the expected share; to begin needs all of it"
    )


def test_counts_each_camera_alone_and_not_those_beyond_the_limit() -> None:
    line = Watched()
    line.sees(3, 9.0)
    line.sees(2, camera="top-2")
    line.sees(2, 9.0, camera="top-9")
    assert [line.counts(camera) for camera in ("top-1", "top-2", "top-9", "other")] == [(3, 3), (0, 2), None, None]
    line.novel.forget("top-1")
    assert line.counts() is None


def test_counts_only_frames_that_were_judged_by_their_novelty_score() -> None:
    line = Watched()
    line.sees(1, None)
    line.sees(1, 9.0, replay_of="a-reject")
    line.sees(1, 9.0, model=novelty_model(ignored=True))
    line.sees(1, None, model=novelty_model(None))
    frame = make_frame(5)
    line.novel.on_sent(Skipped(frame, MODEL), EVENTS.skipped(Skipped(frame, MODEL), 0.0))
    line.novel.on_sent(Prediction(frame, MODEL, 1, 1, (0.9, 0.1), 0.0, 0.0, 0.0), reject(frame))
    assert line.counts() is None


def test_counts_afresh_for_another_model() -> None:
    line = Watched()
    line.sees(20, 9.0)
    line.sees(5, model=novelty_model(sha256="a" * 64))
    assert line.counts() == (0, 5)


@pytest.mark.parametrize("novelty", [None, 9.0])
def test_a_model_without_a_threshold_ends_the_counting(novelty: float | None) -> None:
    line = Watched()
    line.sees(20, 9.0)
    line.sees(1, novelty, model=novelty_model(None, "a" * 64) if novelty is None else novelty_model(ignored=True))
    assert line.counts() is None


def test_a_high_expected_share_still_leaves_room_for_the_condition() -> None:
    line = Watched(novel_factor=5)
    often = novelty_model(msgspec.structs.replace(SPEC, measured_share=0.3))
    line.sees(100, model=often)
    line.sees(180, 9.0, model=often)
    assert not line.is_novel
    line.sees(20, 9.0, model=often)
    assert line.is_novel


@given(st.integers(1, 60), st.integers(0, 60), st.floats(0.001, 0.5))
def test_the_limit_of_the_probability_is_above_the_binomial_tail(frames: int, found: int, share: float) -> None:
    found = min(found, frames)
    tail = sum(comb(frames, at) * share**at * (1 - share) ** (frames - at) for at in range(found, frames + 1))
    assert chance_max(found, frames, share) >= tail - 1e-12


def test_a_bundle_that_expects_no_false_alarm_has_none_by_chance() -> None:
    assert (chance_max(1, 10, 0.0), chance_max(0, 10, 0.0)) == (0.0, 1.0)
