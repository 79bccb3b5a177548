"""The exit-code page lists every error class with its meaning and what to do."""

import re

import pytest

from docs.generate.exit_codes import documented, error_classes, exit_codes_page
from stripwatch.worker.common import errors
from stripwatch.worker.common.errors import StripwatchError, WorkerExitError


def entries() -> dict[str, list[str]]:
    """The paragraphs below the heading of each exit code, without line breaks."""
    parts = re.split(r"^## Exit code (.*)\n", exit_codes_page(), flags=re.MULTILINE)
    return {
        number: [" ".join(text.split()) for text in body.strip().split("\n\n")]
        for number, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_every_exit_code_has_an_entry_and_a_row_of_the_overview_in_order() -> None:
    codes = sorted({0, 1, 130, *(kind.exit_code for kind in error_classes())})
    assert list(entries()) == [*map(str, codes), "above 128"]
    assert len(error_classes()) == len({kind.exit_code for kind in error_classes()})
    rows = re.findall(r"^\| \[(.*)\]\(#exit-code-.*\) \| (.*) \|$", exit_codes_page(), re.MULTILINE)
    assert rows == [(number, texts[0]) for number, texts in entries().items()]


@pytest.mark.parametrize("kind", [*error_classes(), WorkerExitError], ids=lambda kind: kind.__name__)
def test_an_error_states_its_meaning_what_to_do_and_the_commands(kind: type[StripwatchError]) -> None:
    meaning, remedy = (" ".join(text.split()) for text in documented(kind))
    assert len(meaning) > 20
    assert len(remedy) > 20
    shown = entries()["above 128" if kind is WorkerExitError else str(kind.exit_code)]
    assert shown[:2] == [meaning, f"**What to do:** {remedy}"]
    assert re.fullmatch(rf"Exception: `{kind.__name__}`\. Commands: \S.*\.", shown[2])


def test_an_added_error_appears(monkeypatch: pytest.MonkeyPatch) -> None:
    class AddedError(StripwatchError):
        """Something new is wrong.

        Do something about it.
        """

        exit_code = 99

    monkeypatch.setattr(errors, "AddedError", AddedError, raising=False)
    assert entries()["99"][:2] == ["Something new is wrong.", "**What to do:** Do something about it."]
