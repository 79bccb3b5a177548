"""Search of a data set for colour, by which `--decode auto` chooses how to decode."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from stripwatch.export.runs.facts.colour_facts import ColourFacts
from stripwatch.export.runs.files import read_whole
from stripwatch.training.datasets.dataset import DataSet
from stripwatch.training.preparation.sample_depths import choose_levels, measure_depth, usual_bit_depth
from stripwatch.worker.common.errors import DataError, FrameRejected, InputError
from stripwatch.worker.common.path_text import file_below
from stripwatch.worker.common.process.cores import usable_cores
from stripwatch.worker.common.terminal.console import new_progress
from stripwatch.worker.images.colour import COLOUR_MIN, measure_colour
from stripwatch.worker.images.decode_spec import DecodeSpec, Levels
from stripwatch.worker.images.headers.reader import read_header

_FILES_AT_ONCE = 256  # the search ends after the part in which it finds colour


def find_colour(dataset: DataSet, spec: DecodeSpec, requested: str, auto_levels: bool = False) -> ColourFacts:
    """Measure the colour of the images of a data set, until one is coloured. Shows its progress.

    All images are measured, because a defect such as rust may be the only colour of a data set. Images that cannot be
    read are left out; reading the data set reports them.

    spec: gives bit depth and levels. requested: the option that is recorded. auto_levels: the levels are chosen later,
    so each image with more than 8 bits is measured with its own.
    """
    names = [sample.name for sample in dataset.samples]
    measure = partial(_measure, dataset.root, spec, auto_levels)
    largest, frame, measured = 0, None, 0
    with new_progress() as progress, ThreadPoolExecutor(usable_cores()) as pool:
        task = progress.add_task("looking for colour", total=len(names))
        for at in range(0, len(names), _FILES_AT_ONCE):
            part = names[at : at + _FILES_AT_ONCE]
            for name, colour in zip(part, pool.map(measure, part), strict=True):
                progress.advance(task)
                measured += colour is not None
                if colour is not None and (frame is None or colour > largest):
                    largest, frame = colour, name
            if largest >= COLOUR_MIN:
                break
        progress.update(task, completed=len(names))
    return ColourFacts(requested, largest, frame, COLOUR_MIN, measured, len(names))


def _measure(root: Path, spec: DecodeSpec, auto_levels: bool, name: str) -> int | None:
    """Return the colour of an image, or None if it cannot be read."""
    try:
        encoded = read_whole(file_below(root, name))
        header = read_header(encoded)
        if header.channels < 3:
            return 0
        if header.bits == 8:
            return measure_colour(encoded)
        bit_depth = spec.bit_depth or usual_bit_depth(measure_depth(encoded))
        levels = _own_levels(root, name, bit_depth) if auto_levels else spec.levels
        return measure_colour(encoded, bit_depth=bit_depth, levels=levels)
    except (DataError, InputError, FrameRejected):
        return None


def _own_levels(root: Path, name: str, bit_depth: int | None) -> Levels | None:
    try:
        return choose_levels(root, [name], bit_depth)
    except DataError:  # the image has no contrast
        return None
