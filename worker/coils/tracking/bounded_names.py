"""Bounded names: readers of results limit the length of each text they keep.

These texts end up in coil summaries, which must fit into one record, and are sent to every viewer of the page twice per
second. A worker's own names are shorter, so only records from other writers are affected. A shortened name ends with a
digest of the whole, so two long names with the same beginning stay distinct.
"""

import hashlib
from itertools import islice

from msgspec.structs import replace

from stripwatch.worker.contracts.camera_source import NAME_CHARS_MAX
from stripwatch.worker.contracts.events import Defect, ModelInfo, Result
from stripwatch.worker.contracts.frame_info import FrameInfo

_DIGEST_CHARS = 12
_LABELS_MAX = 256


def shorten(name: str) -> str:
    """Return a name of up to NAME_CHARS_MAX characters unchanged, or a longer one as beginning, ellipsis and digest."""
    if len(name) <= NAME_CHARS_MAX:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST_CHARS]
    return f"{name[: NAME_CHARS_MAX - _DIGEST_CHARS - 1]}…{digest}"


def bounded_result(result: Result) -> Result:
    return replace(
        result,
        schema=shorten(result.schema),
        id=shorten(result.id),
        label=_shorten(result.label),
        scores={shorten(label): score for label, score in islice(result.scores.items(), _LABELS_MAX)},
        defects=[_bounded_defect(defect) for defect in result.defects],
        frame=_bounded_frame(result.frame),
        model=_bounded_model(result.model),
    )


def _shorten(name: str | None) -> str | None:
    return None if name is None else shorten(name)


def _bounded_defect(defect: Defect) -> Defect:
    return replace(defect, label=shorten(defect.label)) if len(defect.label) > NAME_CHARS_MAX else defect


def _bounded_frame(frame: FrameInfo) -> FrameInfo:
    return replace(
        frame,
        camera=shorten(frame.camera),
        line=_shorten(frame.line),
        coil=_shorten(frame.coil),
        side=_shorten(frame.side),
        topic=_shorten(frame.topic),
        file=None,
        replay_of=_shorten(frame.replay_of),
    )


def _bounded_model(model: ModelInfo) -> ModelInfo:
    return replace(
        model,
        name=shorten(model.name),
        version=shorten(model.version),
        sha256=shorten(model.sha256),
        provider=_shorten(model.provider),
        no_defect=_shorten(model.no_defect),
    )
