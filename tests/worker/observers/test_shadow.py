"""The shadow is compared with the production model on a share of the frames and never delays it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from stripwatch.worker.common.errors import FrameRejected, InferenceError, RejectReason
from stripwatch.worker.contracts.events import Result
from stripwatch.worker.contracts.frame import Frame
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.model.loaded_model import LoadedModel
from stripwatch.worker.model.session import Output, Session
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.observers.shadow import Shadow, score_difference
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.outcomes import Prediction, Skipped
from tests.frames import make_frame
from tests.models import make_model
from tests.waiting import wait_until

FIRST = make_model()
EVENTS = EventBuilder({})


class ScriptedSession(Session):
    """A model that gives the configured scores for one frame at a time."""

    say: Callable[[], tuple[float, float]]

    def predict(self, frames: Pixels) -> Output:
        return Output(np.array([self.say()], np.float32))


def saying(say: Callable[[], tuple[float, float]]) -> LoadedModel:
    session = ScriptedSession(**{field.name: getattr(FIRST.session, field.name) for field in fields(Session)})
    session.say = say
    return replace(FIRST, session=session)


def result(frame: Frame, scores: tuple[float, float] = (0.1, 0.9)) -> Result:
    return EVENTS.result(Prediction(frame, FIRST, 1, 1, scores, 0.0, 0.0, 0.0), 0.0)


class Running:
    def __init__(self, model: LoadedModel | None, share: float, publish: Callable[[Result, Frame], None]) -> None:
        self.metrics = Metrics(CollectorRegistry())
        self.published: list[Result] = []
        self.shadow = Shadow(share, EVENTS, self.metrics, publish)
        if model:
            self.shadow.use(model)

    def offer(self, offset: int = 0, scores: tuple[float, float] = (0.1, 0.9), **frame: Any) -> None:
        made = make_frame(offset, **frame)
        self.shadow.offer(result(made, scores), made)

    def counts(self) -> dict[str, float]:
        read = self.metrics.registry.get_sample_value
        found = {name: read("stripwatch_shadow_frames_total", {"outcome": name}) for name in OUTCOMES}
        return {name: value for name, value in found.items() if value}

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"stripwatch_shadow_{name}", labels)


OUTCOMES = ("agrees", "differs", "dropped", "failed")


@contextmanager
def running(
    model: LoadedModel | None, share: float = 1.0, publish: Callable[[Result, Frame], None] = lambda *_: None
) -> Iterator[Running]:
    """Close the shadow after all offered frames are processed, so that its counts can be read."""
    run = Running(model, share, publish)
    run.shadow.start()
    yield run
    run.shadow._worker.close(10.0)


def test_compares_verdicts_and_scores() -> None:
    published: list[tuple[str, str | None]] = []
    with running(saying(lambda: (0.3, 0.7)), publish=lambda e, _: published.append((e.id, e.verdict))) as run:
        run.offer(0, (0.1, 0.9))
        run.offer(1, (0.9, 0.1))
    assert run.counts() == {"agrees": 1, "differs": 1}
    assert run.sample("verdicts_total", verdict="clean", shadow_verdict="defect") == 1
    assert run.sample("score_difference_sum") == pytest.approx(0.8)
    assert run.sample("seconds_count") == 2
    assert published == [(make_frame(offset).id, "defect") for offset in (0, 1)]


def test_selects_the_same_frames_each_time() -> None:
    with running(None, share=0.25) as run:
        for offset in range(2000):
            run.offer(offset)
        dropped = run.counts()["dropped"]
        assert 400 < dropped < 600
        for offset in range(2000):
            run.offer(offset)
    assert run.counts()["dropped"] == 2 * dropped


def test_does_not_compare_a_skipped_frame() -> None:
    with running(saying(lambda: (0.3, 0.7))) as run:
        frame = make_frame()
        run.shadow.offer(EVENTS.skipped(Skipped(frame, FIRST), 0.0), frame)
    assert run.counts() == {}


def test_a_failure_is_counted_and_logged_and_the_next_frame_is_compared() -> None:
    answers: Iterator[InferenceError | tuple[float, float]] = iter(
        [InferenceError("the device says no"), (0.1, 0.9), (float("nan"), 0.0)]
    )

    def say() -> tuple[float, float]:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with capture_logs() as logs, running(saying(say)) as run:
        for offset in range(3):
            run.offer(offset)
    assert run.counts() == {"failed": 2, "agrees": 1}
    assert "the device says no" in logs[0]["error"]
    assert "a score is not a finite number" in logs[1]["error"]

    def rejects(*_: object) -> Any:
        raise FrameRejected(RejectReason.TRUNCATED, "half")

    with running(replace(saying(say), decode=rejects)) as run:
        run.offer()
    assert run.counts() == {"failed": 1}


def test_drops_frames_at_a_stop_and_before_the_model_is_loaded() -> None:
    at_work, may_go = threading.Event(), threading.Event()

    def slow() -> tuple[float, float]:
        at_work.set()
        assert may_go.wait(60)
        return 0.1, 0.9

    run = Running(saying(slow), 1.0, lambda *_: None)
    run.shadow.start()
    for offset in range(10):
        run.offer(offset)
    assert at_work.wait(60)
    closing = threading.Thread(target=run.shadow.close, args=(60.0,))
    closing.start()
    wait_until(lambda: run.shadow._model is None)
    may_go.set()
    closing.join()
    assert run.counts() == {"agrees": 1, "dropped": 9}
    run.offer()
    assert run.counts() == {"agrees": 1, "dropped": 10}


@given(
    st.dictionaries(st.sampled_from("abc"), st.floats(0, 1)), st.dictionaries(st.sampled_from("abc"), st.floats(0, 1))
)
def test_the_score_difference_is_the_largest_of_a_shared_label(a: dict[str, float], b: dict[str, float]) -> None:
    def event(scores: dict[str, float]) -> Result:
        base = result(make_frame())
        return Result(**{name: getattr(base, name) for name in base.__struct_fields__} | {"scores": scores})

    found = score_difference(event(a), event(b))
    assert found == score_difference(event(b), event(a))
    assert (found is None) == (not a.keys() & b.keys())
    assert all(found is not None and abs(a[label] - b[label]) <= found for label in a.keys() & b.keys())
    assert score_difference(event(a), event(a)) == (0 if a else None)
