"""The shared parts of Markdown keep code and tables whole."""

from docs.generate.markdown import WIDTH, code, page, paragraph, table


def test_a_paragraph_is_wrapped_but_inline_code_is_not() -> None:
    text = f"{'word ' * 22}`stripwatch run --bundle model.onnx` and more"
    first, second = paragraph(text).split("\n")
    assert len(first) <= WIDTH
    assert second == "`stripwatch run --bundle model.onnx` and more"


def test_a_table_cell_holds_bars_and_line_breaks() -> None:
    assert table(["a", "b"], [["x|y", "one\ntwo"]]) == "| a | b |\n| --- | --- |\n| x\\|y | one two |"


def test_code_with_a_backtick_gets_a_longer_fence() -> None:
    assert (code("a"), code("a`b")) == ("`a`", "`` a`b ``")


def test_a_page_leaves_out_empty_blocks() -> None:
    assert page("# Title\n", "", "text") == "# Title\n\ntext\n"
