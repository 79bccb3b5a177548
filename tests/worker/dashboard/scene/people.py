"""People who may write on the scene's page."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from stripwatch.worker.config.page_sections import ViewSettings
from stripwatch.worker.dashboard.web.access import Access
from stripwatch.worker.dashboard.web.correction_routes import correction_routes
from stripwatch.worker.dashboard.writing.corrector import Corrector
from tests.worker.dashboard.scene.pictures import LABELS

TOKEN = "token-of-the-scene"


class OfferedChoices:
    """Stands in for the corrector, which writes to Kafka. It offers choices, and writes nothing."""

    def choices(self, picture: str) -> dict[str, Any]:
        return {"labels": list(LABELS), "predicted": "scratch", "no_defect": "clean"}


@contextmanager
def writing() -> Iterator[dict[str, Any]]:
    """Yield the options of `make_site` with which anybody who has the token may write."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "tokens"
        file.write_text(TOKEN)
        file.chmod(0o600)
        access = Access(ViewSettings(token_file=file))
        yield {"access": access, "more_routes": correction_routes(cast(Corrector, OfferedChoices()), access)}
