"""Parts of Markdown that several pages share."""

import re
import textwrap
from collections.abc import Iterable, Sequence

WIDTH = 120
_CODE = re.compile(r"(`+).+?\1")
_HARD_SPACE = "\0"


def paragraph(text: str, indent: str = "") -> str:
    """Wrap text at the width of all documents, but not within inline code. Later lines begin with `indent`."""
    text = _CODE.sub(lambda found: found.group().replace(" ", _HARD_SPACE), " ".join(text.split()))
    wrapped = textwrap.fill(text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return wrapped.replace(_HARD_SPACE, " ")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a Markdown table. Line breaks in a cell become spaces, and vertical bars are escaped."""
    lines = [columns, ["---"] * len(columns), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def code(text: object) -> str:
    """Format text as inline code, with a longer fence if the text itself contains a backtick."""
    fence, space = ("``", " ") if "`" in str(text) else ("`", "")
    return f"{fence}{space}{text}{space}{fence}"


def page(*blocks: str) -> str:
    """Join blocks of Markdown with empty lines."""
    return "\n\n".join(block.strip("\n") for block in blocks if block) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
