"""Review records as a worker publishes them, and the folder into which they are collected."""

from pathlib import Path

from stripwatch.training.labeling.collect import Collector
from stripwatch.worker.contracts.positions import Position, Record
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.outcomes import Prediction
from stripwatch.worker.pipeline.produce.record_builder import review_headers
from tests.frames import make_frame
from tests.models import make_model
from tests.tiny import encode_frame

EVENTS, MODEL = EventBuilder({}), make_model()


def reviewed(number: int, guess: str = "pits", coil: str | None = "C1", **forged: str) -> Record:
    """Return a review record as published by the worker. forged: values of headers, by name without prefix."""
    frame = make_frame(number, encode_frame(0.5, seed=number), partition=9, coil=coil)
    scores = (0.4, 0.6) if guess == "pits" else (0.6, 0.4)
    event = EVENTS.result(Prediction(frame, MODEL, 48, 32, scores, 0.0, 0.0, 0.0), 0.0)
    headers = dict(review_headers(event, frame)) | {f"stripwatch_{k}": value.encode() for k, value in forged.items()}
    return Record(Position("review", 0, number), 1, b"top-1", frame.encoded, list(headers.items()))


def novel(number: int, guess: str = "pits", reason: str = "novel") -> Record:
    """Return a review record of a novel frame, or of one for another reason."""
    return reviewed(number, guess, reason=reason, novelty="9.5", novelty_threshold="4.25")


def collect(out: Path, *records: Record, frames_max: int = 0, only_novel: bool = False) -> dict[str, object]:
    collector = Collector(out, frames_max, only_novel=only_novel)
    collector.collect(records)
    return collector.summary()


def files(out: Path) -> list[str]:
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png"))


def drag(out: Path, number: int, folder: str) -> None:
    """Move a frame as a person would."""
    found = (path for path in out.rglob("*.png") if path.parent.name != "images")  # of a labelling tool
    (path,) = (path for path in found if f"-{number}-" in path.name)
    (out / folder).mkdir(parents=True, exist_ok=True)
    path.rename(out / folder / path.name)
