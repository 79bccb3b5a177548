"""Colour of the images of a fit, as recorded in run.json."""

import msgspec

from stripwatch.worker.common.path_text import path_text


class ColourFacts(msgspec.Struct, frozen=True):
    """Colour of the images of a fit, from which `--decode auto` chooses grey or colour.

    requested: the option as it was given, such as "auto". largest: colour of the most coloured image that was measured,
    0 to 255, see `stripwatch.worker.images.colour`; frame: its name, None if no image was measured. limit: an image
    with at least this colour is coloured. measured: number of images that were measured; the search ends at a coloured
    one. images: number of images of the data set.
    """

    requested: str
    largest: int
    frame: str | None
    limit: int
    measured: int
    images: int

    @property
    def is_coloured(self) -> bool:
        """Return whether an image is coloured. If no image could be measured, colour cannot be excluded."""
        return self.frame is None or self.largest >= self.limit

    @property
    def text(self) -> str:
        """Return a description such as "none of 1,560 images has colour"."""
        if self.frame is None:
            return "no image could be read"
        if self.is_coloured:
            return f"{path_text(self.frame)} has colour ({self.largest} of 255; {self.limit} or more count as colour)"
        none = f"none of {self.measured:,} images has colour"
        if not self.largest:
            return none
        most = f"the most coloured is {path_text(self.frame)} with {self.largest} of 255"
        return f"{none} ({most}; {self.limit} or more count as colour)"
