"""The exit-code page lists every error class with its meaning and what to do."""

import re

import pytest

from docs.generate.exit_codes import documented, error_classes, exit_codes_page
from stripwatch.worker.common import errors
from stripwatch.worker.common.errors import StripwatchError, WorkerExitError


def rows() -> dict[str, list[str]]:
    lines = re.findall(r"^\| (\*\*\d+\*\*|above 128) \| (.*) \|$", exit_codes_page(), re.MULTILINE)
    return {code.strip("*"): cells.split(" | ") for code, cells in lines}


def test_every_exit_code_has_one_row_in_order() -> None:
    codes = sorted({0, 1, 130, *(kind.exit_code for kind in error_classes())})
    assert list(rows()) == [*map(str, codes), "above 128"]
    assert len(error_classes()) == len({kind.exit_code for kind in error_classes()})


@pytest.mark.parametrize("kind", [*error_classes(), WorkerExitError], ids=lambda kind: kind.__name__)
def test_an_error_states_its_meaning_and_what_to_do(kind: type[StripwatchError]) -> None:
    meaning, remedy = (" ".join(text.split()) for text in documented(kind))
    assert len(meaning) > 20
    assert len(remedy) > 20
    shown = rows()["above 128" if kind is WorkerExitError else str(kind.exit_code)]
    assert shown[:3] == [meaning, remedy, f"`{kind.__name__}`"]
    assert shown[3]


def test_an_added_error_appears(monkeypatch: pytest.MonkeyPatch) -> None:
    class AddedError(StripwatchError):
        """Something new is wrong.

        Do something about it.
        """

        exit_code = 99

    monkeypatch.setattr(errors, "AddedError", AddedError, raising=False)
    assert rows()["99"][:3] == ["Something new is wrong.", "Do something about it.", "`AddedError`"]
