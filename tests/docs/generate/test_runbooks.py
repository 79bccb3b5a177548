"""The runbooks that the live page's server has for the links of alerts."""

import re
from pathlib import Path

import pytest

from docs.generate import runbooks
from docs.generate.runbooks import RUNBOOKS, runbooks_page


def test_has_the_anchor_of_each_section() -> None:
    sections = re.findall(r"^### (\w+)$", RUNBOOKS.read_text(), re.MULTILINE)
    assert len(sections) > 40
    assert [anchor for _, anchor in re.findall(r'<h(3) id="(\w+)">', runbooks_page())] == [s.lower() for s in sections]


def test_keeps_links_inside_the_page_and_names_other_pages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "runbooks.md"
    file.write_text("# All\n\n## A *b* (c)\n\n[here](#a-b-c), [there](../x.md) and <https://example.org>, `<&>`\n")
    monkeypatch.setattr(runbooks, "RUNBOOKS", file)
    page = runbooks_page()
    assert '<h2 id="a-b-c">A <em>b</em> (c)</h2>' in page
    assert '<a href="#a-b-c">here</a>, there and <a href="https://example.org">' in page
    assert "<code>&lt;&amp;&gt;</code>" in page


def test_has_no_inline_script_or_style() -> None:
    """The content security policy of the live page forbids them."""
    assert not re.search(r"<script|<style|style=|onclick=", runbooks_page())
