"""Lines of the keys in a TOML document."""

import pytest

from stripwatch.worker.config.toml_text import key_lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", {}),
        ("a = 1\n\n# c\nb.c = 2", {("a",): 1, ("b", "c"): 4}),
        ("[t]\nx = 1\n[t.u]\ny = 2", {("t",): 1, ("t", "x"): 2, ("t", "u"): 3, ("t", "u", "y"): 4}),
        ('a = """\nx = 1\n"""\nb = [\n 1,\n # c\n 2]\nc = 3', {("a",): 1, ("b",): 4, ("c",): 8}),
        ('[cameras."TOP 1"]\nside = "top"', {("cameras", "TOP 1"): 1, ("cameras", "TOP 1", "side"): 2}),
        ("a = {b = 1, c = {d = 2}}", {("a", "b"): 1, ("a", "c", "d"): 1}),
        ("\ufeffa = 1\r\nb = 2\r\n", {("a",): 1, ("b",): 2}),
        ("[[t]]\nx = 1\n[[t]]\nx = 2", {("t",): 1, ("t", "x"): 4}),
    ],
)
def test_each_key_has_the_line_of_its_statement(text: str, lines: dict[tuple[str, ...], int]) -> None:
    assert key_lines(text) == lines
