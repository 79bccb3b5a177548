"""The runbooks as a page of the live page's server, so that the link of an alert opens without a network."""

import re
from pathlib import Path

from markdown_it import MarkdownIt

RUNBOOKS = Path(__file__).parents[1] / "how-to" / "operator" / "runbooks.md"
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Runbooks</title>
<link rel="icon" href="/page/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/page/style.css">
</head>
<body>
<main class="sheet">
<p class="tools"><a href="/">Live page</a></p>
CONTENT</main>
</body>
</html>
"""


def runbooks_page() -> str:
    """Return the runbooks as HTML. Each heading has the anchor that its link in Markdown has."""
    html = MarkdownIt("commonmark").enable("table").render(RUNBOOKS.read_text(encoding="utf-8"))
    html = re.sub(r"<h(\d)>(.+?)</h\1>", lambda found: _heading(found[1], found[2]), html)
    return _PAGE.replace("CONTENT", re.sub(r'<a href="([^"]*)">(.*?)</a>', _link, html, flags=re.DOTALL))


def _heading(level: str, text: str) -> str:
    words = re.sub(r"<[^>]+>|[^\w\s-]", "", text).lower()
    anchor = "-".join(words.split())
    return f'<h{level} id="{anchor}">{text}</h{level}>'


def _link(found: re.Match[str]) -> str:
    """Keep a link inside the page. The other pages of the documentation are not on the server, so only name them."""
    return found[0] if found[1].startswith(("#", "http")) else found[2]
