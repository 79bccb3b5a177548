import inspect

from stripwatch.worker.common.terminal.examples import with_examples


def test_examples_follow_the_docstring_and_keep_their_line_breaks() -> None:
    @with_examples("  send --to line-1\n  send --to line-2\n")
    def send(to: str) -> str:
        """Send a frame.

        The frame is small.
        """
        return to

    assert inspect.getdoc(send) == (
        "Send a frame.\n\nThe frame is small.\n\n\b\nExample:\n  send --to line-1\n  send --to line-2"
    )
    assert send("line-1") == "line-1"
