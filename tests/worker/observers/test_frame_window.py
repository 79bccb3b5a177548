"""The sliding window compared with a list of all frames."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.observers.frame_window import FrameWindow, WindowCounts


@given(st.lists(st.tuples(st.floats(0, 5), st.sampled_from([None, "truncated", "empty"])), max_size=200))
def test_counts_the_frames_of_the_window_by_reason(frames: list[tuple[float, str | None]]) -> None:
    now_s = [0.0]
    window = FrameWindow(60, lambda: now_s[0])
    seen: list[tuple[float, str | None]] = []
    for gap_s, reason in frames:
        now_s[0] += gap_s
        window.count(reason)
        seen.append((now_s[0], reason))
    kept = [reason for at_s, reason in seen if int(at_s) > int(now_s[0]) - 60]
    rejects = Counter(reason for reason in kept if reason)
    assert window.counts() == WindowCounts(len(kept), rejects)
    assert window.counts().with_reason == rejects.total()


def test_an_empty_window_has_no_frames() -> None:
    assert FrameWindow(60).counts() == WindowCounts(0, {})
