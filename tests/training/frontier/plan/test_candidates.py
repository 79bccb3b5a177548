import pytest

from stripwatch.training.frontier.plan.candidates import (
    Candidate,
    FrameFacts,
    Pass,
    decodings,
    parse_sizes,
    plan_passes,
    size_ladder,
)
from stripwatch.training.frontier.plan.network_option import NetworkChoice
from stripwatch.worker.common.errors import SettingsError

CHOICE = NetworkChoice("small", "mobilenet", 0.25, "w.h5")
SQUARE = FrameFacts(200, 200, jpeg=True, colour=False)
STRIP = FrameFacts(256, 1600, jpeg=True, colour=True)


def test_square_frames_get_square_inputs_up_to_the_published_size() -> None:
    assert size_ladder(SQUARE, 224, 32) == [(side, side) for side in (64, 96, 128, 160, 224)]
    assert size_ladder(SQUARE, 299, 75) == [(side, side) for side in (96, 128, 160, 224, 299)]


def test_strips_keep_their_ratio_and_the_published_square_is_tried_too() -> None:
    *own, square = size_ladder(STRIP, 224, 32)
    assert square == (224, 224)
    assert len(own) >= 3
    for height, width in own:
        assert height >= 32
        assert 5 < width / height < 8
        assert height * width == pytest.approx(max(64, round((height * width) ** 0.5)) ** 2, rel=0.2)


def test_frames_without_colour_are_decoded_as_grey_only() -> None:
    assert decodings(SQUARE, (224, 224)) == ["grey"]
    assert decodings(FrameFacts(200, 200, jpeg=False, colour=True), (96, 96)) == ["rgb", "grey"]


def test_a_jpeg_scale_leaves_the_pixels_that_the_input_has() -> None:
    assert decodings(SQUARE, (96, 96)) == ["grey", "grey/2"]
    assert decodings(SQUARE, (101, 64)) == ["grey"]
    assert decodings(SQUARE, (50, 50)) == ["grey", "grey/4"]
    assert decodings(FrameFacts(200, 200, jpeg=False, colour=False), (50, 50)) == ["grey"]
    assert decodings(STRIP, (64, 400)) == ["rgb", "rgb/4", "grey", "grey/4"]


def test_each_size_and_decoding_is_a_pass() -> None:
    found = plan_passes(CHOICE, SQUARE, [(96, 96), (128, 128)])
    assert [each.title for each in found] == ["small 96x96 grey", "small 96x96 grey/2", "small 128x128 grey"]


def test_a_pass_decodes_as_fit_does() -> None:
    spec = Pass(CHOICE, (64, 400), "grey/4").spec(12)
    assert (spec.name, spec.shape, spec.bit_depth) == ("grey/4", (64, 400, 1), 12)


def test_names_of_candidates_can_be_those_of_folders() -> None:
    candidate = Candidate(Pass(CHOICE, (96, 128), "grey/2"), "before:block2", "int8")
    assert candidate.name == "small-before_block2-96x128-grey_2-int8"
    assert Candidate(Pass(CHOICE, (96, 128), "rgb"), "").name == "small-whole-96x128-rgb-fp32"


def test_sizes_are_height_and_width() -> None:
    assert parse_sizes("96x128, 64x64,96x128") == [(96, 128), (64, 64)]
    assert parse_sizes("") == []
    with pytest.raises(SettingsError, match="--sizes: '96' is not HEIGHTxWIDTH"):
        parse_sizes("64x64,96")
