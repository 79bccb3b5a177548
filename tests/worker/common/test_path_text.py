"""Conversion of paths to text and back."""

import json
import logging
import os
from pathlib import Path

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from stripwatch.worker.common.log_setup import set_up_logs
from stripwatch.worker.common.path_text import encodable, file_below, name_below, path_of, path_text
from stripwatch.worker.common.terminal.console import print_summary

NAMES = st.binary(min_size=1, max_size=80).filter(lambda raw: b"\0" not in raw)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"scratch_12.jpg", "scratch_12.jpg"),
        ("caméra/été 😀.png".encode(), "caméra/été 😀.png"),
        (b"cam\xff\xfe", "cam\\xff\\xfe"),
        (b"two\nlines\x1b[31m", "two\\x0alines\\x1b[31m"),
        (b'it\'s "quoted"', 'it\'s "quoted"'),
        (b"plain\\backslash", "plain\\backslash"),
        (b"\\xff", "\\x5cxff"),
    ],
)
def test_escapes_only_bytes_that_are_not_printable(raw: bytes, text: str) -> None:
    assert path_text(os.fsdecode(raw)) == text
    assert path_of(text) == Path(os.fsdecode(raw))


@given(NAMES)
def test_every_name_has_a_printable_utf8_text_that_converts_back(raw: bytes) -> None:
    text = path_text(os.fsdecode(raw))
    text.encode()
    assert not set(text) & set("\n\r\t\x1b\x7f")
    assert os.fsencode(path_of(text)) == os.fsencode(Path(os.fsdecode(raw)))


@given(NAMES, NAMES)
def test_different_names_have_different_texts(first: bytes, second: bytes) -> None:
    assert (path_text(os.fsdecode(first)) == path_text(os.fsdecode(second))) == (first == second)


def test_a_name_is_the_path_relative_to_the_data_folder(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"cam\xff") / "a.png"
    assert name_below(tmp_path, path) == "cam\\xff/a.png"
    assert file_below(tmp_path, "cam\\xff/a.png") == path


def test_escapes_texts_in_lists_and_dictionaries() -> None:
    value = {"a\udcff": ["b\udcfe\n", 1, None], "path": Path("c\udcfd"), "other": "\ud800"}
    found = encodable(value)
    assert found == {"a\\xff": ["b\\xfe\n", 1, None], "path": "c\\xfd", "other": "\\xed\\xa0\\x80"}


def test_the_summary_is_valid_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_summary({"out": "runs/\udcff"})
    assert json.loads(capsys.readouterr().out.encode()) == {"out": "runs/\\xff"}


def test_a_log_line_is_valid_json(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        set_up_logs("json", "info")
        structlog.get_logger().info("loaded", bundle="models/\udcff.onnx")
        line = json.loads(capsys.readouterr().err.splitlines()[-1])
    finally:
        structlog.reset_defaults()
        logging.getLogger().handlers.clear()
    assert line["bundle"] == "models/\\xff.onnx"
