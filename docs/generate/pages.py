"""The generated pages and charts, and the function that writes each."""

from collections.abc import Callable
from pathlib import Path

from docs.generate.alerts import alerts_page
from docs.generate.bundle_format import bundle_format_page
from docs.generate.commands import commands_page
from docs.generate.events import events_page
from docs.generate.exit_codes import exit_codes_page
from docs.generate.findings import findings_page
from docs.generate.headers import headers_page
from docs.generate.metrics import metrics_page
from docs.generate.runbooks import runbooks_page
from docs.generate.settings import settings_page
from docs.generate.throughput import throughput_chart
from docs.generate.topics import topics_page

REFERENCE = Path(__file__).parents[1] / "reference"
PAGES: dict[str, Callable[[], str]] = {
    "alerts.md": alerts_page,
    "bundle-format.md": bundle_format_page,
    "commands.md": commands_page,
    "events.md": events_page,
    "exit-codes.md": exit_codes_page,
    "findings.md": findings_page,
    "headers.md": headers_page,
    "metrics.md": metrics_page,
    "settings.md": settings_page,
    "topics.md": topics_page,
    "../explanation/throughput.svg": throughput_chart,
    "../../worker/dashboard/page/runbooks.html": runbooks_page,
}
