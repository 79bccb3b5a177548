import os
from pathlib import Path

from stripwatch.export.reporting.html import link, table


def test_cells_are_escaped_and_links_are_not() -> None:
    shown = table(("run",), [("<b>",), (link("a&b", Path("a&b/report.html")),)])
    assert "<td>&lt;b&gt;</td>" in shown
    assert '<td><a href="a%26b/report.html">a&amp;b</a></td>' in shown


def test_a_link_may_hold_any_bytes() -> None:
    assert 'href="run%FF%20%22/report.html"' in link("run", Path(os.fsdecode(b'run\xff "'), "report.html"))
