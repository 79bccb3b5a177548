import pytest

from stripwatch.training.anomaly.input_size import InputSize, size_warning, usual_size
from stripwatch.worker.images.decode_spec import DecodeSpec

pytestmark = pytest.mark.training


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ((200, 200), (224, 224)),  # the size that the network was published with
        ((256, 1600), (256, 1600)),
        ((1600, 256), (1600, 256)),
        ((1024, 1024), (512, 512)),
        ((500, 4096), (256, 2048)),
        ((20, 4000), (32, 2048)),
    ],
)
def test_the_usual_input_keeps_the_aspect_ratio(frame: tuple[int, int], expected: tuple[int, int]) -> None:
    assert usual_size(*frame, 224) == InputSize(*expected)


def test_warns_of_frames_that_are_shrunk_so_much_that_small_defects_vanish() -> None:
    assert size_warning(256, 1600, DecodeSpec(256, 1600), 16) == ""
    assert size_warning(256, 1600, DecodeSpec(128, 800), 16) == ""
    warning = size_warning(256, 1600, DecodeSpec(224, 224), 16)
    assert "shrunk 7.1 times" in warning
    assert "covers 114 pixels" in warning
