"""Links within the project lead to files and headings that exist. Sphinx checks those of the site itself."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from mdit_py_plugins.anchors.index import slugify

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("deploy/*.md"))]
WRITTEN = sorted(
    page for folder in ("explanation", "how-to", "tutorials") for page in ROOT.glob(f"docs/{folder}/**/*.md")
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_internal_links_lead_to_files_and_headings(page: Path) -> None:
    dead = [link for link in links(page.read_text()) if not leads_somewhere(page, link)]
    assert dead == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_section_stands_twice(page: Path) -> None:
    assert [title for title, count in Counter(titles(page)).items() if count > 1] == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A page\n\n## `run` & more\n\n## Twice\n\n## Twice\n\n[a](gone.md) ![b](#gone)\n\n| [c](b.md#x) |\n|-|\n"
    )
    (tmp_path / "b.md").write_text("# X\n")
    assert list(links(page.read_text())) == ["gone.md", "#gone", "b.md#x"]
    assert [leads_somewhere(page, link) for link in links(page.read_text())] == [False, False, True]
    assert anchors(page) == {"a-page", "run--more", "twice", "twice-1"}


def links(text: str) -> Iterator[str]:
    """The targets of links and images of a document that are not web addresses."""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        for inner in token.children or ():
            target = str(inner.attrGet("href") or inner.attrGet("src") or "")
            if target and not re.match(r"[a-z]+:", target):
                yield target


def leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = unquote(link).partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or anchor in anchors(target))


def anchors(page: Path) -> set[str]:
    """The anchors of the headings of a document, as GitHub and MyST name them."""
    seen: Counter[str] = Counter()
    found = set()
    for title in titles(page):
        slug = slugify(title)
        found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return found


def titles(page: Path) -> list[str]:
    """The texts of the headings of a document."""
    tokens = MarkdownIt("commonmark").parse(page.read_text())
    headings = [tokens[at + 1] for at, token in enumerate(tokens) if token.type == "heading_open"]
    return ["".join(inner.content for inner in heading.children or ()) for heading in headings]
