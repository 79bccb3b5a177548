"""Frames are flagged exactly if their size differs by more than augmentation usually covers."""

import math

import pytest
from msgspec.structs import replace

from stripwatch.worker.bench.demo import DEMO_BUNDLE
from stripwatch.worker.common.errors import BundleError, FrameRejected, RejectReason
from stripwatch.worker.contracts.events import FrameFlag
from stripwatch.worker.images.decode_spec import Image
from stripwatch.worker.model.bundle_reader import read_bundle
from stripwatch.worker.model.manifest_codec import decode_manifest, encode_manifest
from stripwatch.worker.model.trained_range import Range, SizeCheck, TrainedFrames, Untrained, size_warning
from tests.frames import make_frame
from tests.models import IMAGE, make_model
from tests.tiny import encode_frame, tiny_contract

ONE_SIZE = TrainedFrames.of([(200, 200)] * 3)
STRIPS = TrainedFrames.of([(1600, 256), (800, 256)], [0.5])


def image(width_px: int, height_px: int) -> Image:
    return Image(IMAGE.pixels, width_px, height_px)


@pytest.mark.parametrize(
    ("size", "admitted"),
    [
        ((200, 200), True),
        ((250, 200), True),
        ((160, 160), True),
        ((251, 251), False),
        ((159, 200), False),
        ((250, 187), False),  # width and height are close enough, but the aspect ratio is not
        ((1600, 256), False),
        ((4096, 1024), False),
    ],
)
def test_accepts_sizes_close_to_the_training_size(size: tuple[int, int], admitted: bool) -> None:
    assert ONE_SIZE.admits_size(*size) is admitted
    assert ONE_SIZE.flags(*size) == (() if admitted else (FrameFlag.SIZE,))


def test_accepts_all_training_sizes_and_those_between() -> None:
    for width_px in (800, 1000, 1600):
        assert STRIPS.flags(width_px, 256, 0.5) == ()


@pytest.mark.parametrize(
    ("mm_per_px", "flagged"), [(0.5, False), (0.4, False), (0.625, False), (0.39, True), (1, True)]
)
def test_flags_a_camera_with_another_scale(mm_per_px: float, flagged: bool) -> None:
    assert STRIPS.flags(1600, 256, mm_per_px) == ((FrameFlag.SCALE,) if flagged else ())


def test_does_not_flag_an_unknown_scale() -> None:
    assert STRIPS.flags(1600, 256, None) == ()
    assert ONE_SIZE.flags(200, 200, 3.0) == ()


def test_flags_size_and_scale_separately() -> None:
    assert STRIPS.flags(200, 200, 2.0) == (FrameFlag.SIZE, FrameFlag.SCALE)


def test_adds_flags_to_those_of_the_decoder() -> None:
    decoded = Image(IMAGE.pixels, 1600, 256, (FrameFlag.BIT_DEPTH,))
    assert SizeCheck(ONE_SIZE).apply(decoded).flags == (FrameFlag.BIT_DEPTH, FrameFlag.SIZE)
    assert SizeCheck(ONE_SIZE).apply(image(200, 200)).flags == ()


def test_rejects_untrained_frames_if_configured() -> None:
    check = SizeCheck(STRIPS, "reject", {"top-1": 2.0})
    with pytest.raises(FrameRejected, match="200 x 200 px; the model was trained on 800 to 1600 x 256 px") as refused:
        check.apply(image(200, 200), "top-2")
    assert refused.value.reason is RejectReason.UNTRAINED_SIZE
    with pytest.raises(FrameRejected, match=r"1600 x 256 px at 2 mm per px; .* 0.5 mm per px"):
        check.apply(image(1600, 256), "top-1")
    assert check.apply(image(1600, 256), "top-2").flags == ()


@pytest.mark.parametrize(("trained", "untrained"), [(ONE_SIZE, "accept"), (None, "flag"), (None, "reject")])
def test_does_not_flag_if_accepted_or_unknown(trained: TrainedFrames | None, untrained: Untrained) -> None:
    check = SizeCheck(trained, untrained)
    assert not check.active
    assert check.apply(image(4096, 1024)).flags == ()


def test_a_model_flags_what_it_inspects_and_what_cameras_send() -> None:
    model = make_model(
        decode=lambda *_, **__: image(200, 200), size_check=SizeCheck(STRIPS, scales_mm_per_px={"top-1": 0.1})
    )
    assert model.decode_frame(make_frame(camera="top-1")).flags == (FrameFlag.SIZE, FrameFlag.SCALE)
    assert model.decode_frame(make_frame(camera="top-2")).flags == (FrameFlag.SIZE,)
    assert model._decode(b"x").flags == (FrameFlag.SIZE,)


def test_the_warning_counts_and_names_the_sizes() -> None:
    files = [encode_frame(0.5, (200, 200)), *[encode_frame(0.5, (32, 48))] * 2, b"no image"]
    warning = size_warning(SizeCheck(ONE_SIZE), files)
    assert warning is not None
    assert "2 of 3 frames" in warning
    assert "2 of 48 x 32 px; their verdict is unsure" in warning
    assert size_warning(SizeCheck(ONE_SIZE), files[:1]) is None
    assert "rejected" in (size_warning(SizeCheck(ONE_SIZE, "reject"), files) or "")


def test_the_range_survives_the_bundle_and_older_bundles_say_what_they_lack() -> None:
    written = decode_manifest(encode_manifest(tiny_contract(trained=STRIPS)))
    assert written.trained == STRIPS
    assert [each.partition(":")[0] for each in written.lacks] == ["reference", "novelty", "camera_limits"]
    assert "trained: frames of untrained sizes are not detected" in tiny_contract().lacks


@pytest.mark.parametrize("width", [Range(0, 10), Range(20, 10), Range(math.nan, 10), Range(1, math.inf)])
def test_rejects_a_bundle_with_an_invalid_range(width: Range) -> None:
    with pytest.raises(BundleError, match="training frames have an invalid range"):
        encode_manifest(tiny_contract(trained=replace(ONE_SIZE, width_px=width)))


def test_the_bundle_of_the_demo_states_its_training_frames() -> None:
    assert read_bundle(DEMO_BUNDLE).manifest.trained == TrainedFrames.of([(200, 200)] * 4800)
