from pathlib import Path

import pytest

from stripwatch.export.bench.timing import measure_speeds, rounds_of
from stripwatch.worker.images.decode_spec import Pixels
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.model.loading.open_session import open_session
from stripwatch.worker.model.session import Output, Session
from tests.tiny import mapped_contract, tiny_contract, write_bundle


def test_measures_all_sessions_and_sizes_alternately_on_golden_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contracts = (tiny_contract(), mapped_contract(name="maps"))
    files = [write_bundle(tmp_path / f"{manifest.name}.onnx", manifest) for manifest in contracts]
    sessions = [open_session(read_bundle(file), "cpu", batch_frames_max=1) for file in files]
    seen: list[tuple[str, int]] = []
    predict = Session.predict

    def note(session: Session, frames: Pixels) -> Output:
        assert len({frame.mean() for frame in frames}) == min(len(frames), 3)  # golden frames, not blank ones
        turn = (session.bundle.manifest.name, len(frames))
        if seen[-1:] != [turn]:
            seen.append(turn)
        return predict(session, frames)

    monkeypatch.setattr(Session, "predict", note)
    steps: list[None] = []
    found = measure_speeds(sessions, (1, 4), 0.01, lambda: steps.append(None))
    assert len(steps) == rounds_of(2, 2) == len(seen)
    assert seen[:5] == [("tiny", 1), ("tiny", 4), ("maps", 1), ("maps", 4), ("tiny", 1)]
    assert [[speed.batch_frames for speed in speeds] for speeds in found] == [[1, 4], [1, 4]]
    for speed in (*found[0], *found[1]):
        assert 0 < speed.latency_ms_p50 <= speed.latency_ms_p99
        assert speed.frames_per_second >= 0.9 * 1000 * speed.batch_frames / speed.latency_ms_p50
        assert speed.cpu_ms_a_frame > 0
        assert speed.runs >= 5
