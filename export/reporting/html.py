"""Self-contained HTML pages with embedded images, which can be mailed and need no network."""

import base64
import os
from collections.abc import Iterable
from html import escape
from pathlib import Path
from urllib.parse import quote_from_bytes

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; color: #1c2430 }
h1 { font-size: 1.5rem; margin-bottom: .2rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse } th, td { padding: .25rem .8rem; border-bottom: 1px solid #d8dde4; text-align: left }
td + td, th + th { text-align: right } .facts td, .texts td, .texts th { text-align: left; overflow-wrap: anywhere }
.facts td:first-child { white-space: nowrap; overflow-wrap: normal } .numbers td { white-space: nowrap }
.numbers { display: block; overflow-x: auto }
img { max-width: 100% }
.warning { background: #fff1d6; border-left: 4px solid #b45f06; padding: .5rem 1rem }
.note { color: #5a6675 } figure { display: inline-block; width: 14rem; margin: 0 1rem 1rem 0; vertical-align: top }
figcaption { font-size: .85rem; overflow-wrap: anywhere }
"""


def page(title: str, note: str, parts: Iterable[str], style: str = "") -> str:
    """Return a complete HTML page.

    note: text below the title. parts: HTML fragments, one below the other. style: further CSS rules.
    """
    view = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head = f'<!doctype html><html lang="en"><meta charset="utf-8">{view}<title>{escape(title)}</title>'
    opening = f'<style>{_STYLE}{style}</style><h1>{escape(title)}</h1>\n<p class="note">{escape(note)}</p>'
    return "\n".join([head + opening, *parts, "</html>"])


def picture(title: str, png: bytes) -> str:
    """Return a heading and a full-width image. png: JPEG or PNG file."""
    return f'<h2>{escape(title)}</h2><img alt="{escape(title)}" src="{inline(png)}">'


def figure(image: bytes, caption: Iterable[str]) -> str:
    """Return a small image with caption lines below it. image: JPEG or PNG file."""
    lines = "<br>".join(map(escape, caption))
    return f'<figure><img alt="" src="{inline(image)}"><figcaption>{lines}</figcaption></figure>'


def inline(image: bytes) -> str:
    """Return a JPEG or PNG file as a data URL."""
    kind = "png" if image.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(image).decode()}"


class Html(str):
    """A fragment of HTML, which is not escaped again."""

    __slots__ = ()


def link(text: str, target: Path) -> Html:
    """Return a link to a file. target: its path relative to the page, which may hold any bytes."""
    return Html(f'<a href="{quote_from_bytes(os.fsencode(target.as_posix()))}">{escape(text)}</a>')


def table(columns: Iterable[str], rows: Iterable[Iterable[str]], style: str = "") -> str:
    """Return an HTML table. rows: cell texts, which are escaped unless they are Html. style: CSS class."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f'<table class="{style}"><tr>{head}</tr>{body}</table>'


def _cell(text: str) -> str:
    return f"<td>{text if isinstance(text, Html) else escape(text)}</td>"
