"""Which page is written by which function."""

from collections.abc import Callable
from pathlib import Path

from docs.generate.settings import settings_page

REFERENCE = Path(__file__).parents[1] / "reference"
PAGES: dict[str, Callable[[], str]] = {"settings.md": settings_page}
