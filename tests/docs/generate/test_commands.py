"""The commands page lists every command with its usage, arguments, options, an example and exit codes."""

import re
from typing import Annotated, Any, Literal

import pytest
import typer

from docs.generate import commands
from docs.generate.commands import EXIT_CODES, commands_page, contexts, is_group
from docs.generate.exit_codes import error_classes
from stripwatch.worker.common.terminal.command_line import LazyCommand, new_app

CONTEXTS = {context.command_path: context for context in contexts()}
COMMANDS = [path for path, context in CONTEXTS.items() if not is_group(context)]


def entries() -> dict[str, str]:
    """The text below each heading of the page."""
    parts = re.split(r"^##+ `(.*)`\n", commands_page(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_command_and_every_group_has_one_entry() -> None:
    assert len(COMMANDS) > 25
    assert entries().keys() == CONTEXTS.keys()


@pytest.mark.parametrize("path", COMMANDS)
def test_an_entry_is_complete(path: str) -> None:
    text, context = entries()[path], CONTEXTS[path]
    assert f"```text\n{path} " in text
    assert re.search(rf"^{path}\b", text.partition("```shell\n")[2]), "the docstring has no example"
    assert re.search(r"^Exit codes: \[\d", text, re.MULTILINE)
    rows = re.findall(r"^\| `(.+?)` \| .* \| (.*) \|$", text, re.MULTILINE)
    shown = [parameter for parameter in context.command.get_params(context) if parameter.name != "help"]
    assert len(rows) == len(shown)
    assert all(len(meaning) > 5 for _, meaning in rows)
    names = " ".join(name for name, _ in rows)
    for parameter in shown:
        if parameter.param_type_name == "option":
            assert all(re.search(rf"(?<!\S){option}(?!\S)", names) for option in parameter.opts)


def test_a_group_links_to_its_commands() -> None:
    for path, text in entries().items():
        if is_group(CONTEXTS[path]):
            inner = [name for name in COMMANDS if name.startswith(f"{path} ")]
            assert inner
            assert all(f"[`{name}`](#{name.replace(' ', '-')})" in text for name in inner)


def test_exit_codes_are_stated_for_every_command_and_exist() -> None:
    assert [f"stripwatch {name}" for name in EXIT_CODES] == COMMANDS
    known = {kind.exit_code for kind in error_classes()} - {2, 130}  # of every command
    assert {code for codes in EXIT_CODES.values() for code in codes} == known
    assert all(list(codes) == sorted(set(codes)) for codes in EXIT_CODES.values())


def test_no_default_is_a_path_of_this_machine() -> None:
    assert not re.search(r"\| `/", commands_page())


def added(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Where to read.")],
    rate: Annotated[float, typer.Option(min=0, max=9, help="Frames per second; see --mode.")] = 2,
    mode: Annotated[Literal["fast", "exact"], typer.Option(help="How.")] = "fast",
    tag: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="A tag <b>.")] = None,
    loud: Annotated[bool, typer.Option("--loud", help="Say more.")] = False,
) -> None:
    """Do a new thing.

    It reads *all* files:

        stripwatch added photos
        --rate 3

    Example: stripwatch added photos
    """


def test_an_added_command_appears_with_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    app: Any = new_app("Test.", [LazyCommand("added", f"{__name__}:added", "Do a new thing.")])
    monkeypatch.setattr(commands, "app", app)
    monkeypatch.setattr(commands, "EXIT_CODES", {"added": (4, 6)})
    text = entries()["stripwatch added"]
    blocks = text.strip().split("\n\n")
    assert blocks[:2] == ["Do a new thing.", "```text\nstripwatch added [OPTIONS] {DIR}\n```"]
    assert blocks[2] == "It reads \\*all\\* files:"
    assert blocks[3:5] == ["```shell\nstripwatch added photos --rate 3\n```", "```shell\nstripwatch added photos\n```"]
    assert "| `DIR` | text | required | Where to read. |" in text
    assert "| `--rate` | number, 0 to 9 | `2` | Frames per second; see `--mode`. |" in text
    assert "| `--mode` | `fast`, `exact` | `fast` | How. |" in text
    assert "| `--tag` | `KEY=VALUE`, repeatable |  | A tag \\<b>. |" in text
    assert "| `--loud` |  |  | Say more. |" in text
    assert blocks[-1] == "Exit codes: [4](exit-codes.md#exit-code-4), [6](exit-codes.md#exit-code-6)."
