"""Runs the console blocks of a page as a reader would, and compares the output with what the page shows.

No library was found that runs Markdown console blocks with programs that keep running in other terminals.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from markdown_it import MarkdownIt

COMMAND_S_MAX = 1200.0  # training, on a machine that has other work
OUTPUT_S_MAX = 180.0
STOP_S_MAX = 60.0
_KEEP = "keep it running"


@dataclass(frozen=True, slots=True)
class Command:
    """A command, and patterns of output lines that must appear in this order. "..." matches any text."""

    text: str
    expected: list[str]


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a page. file: the name under which a reader saves it. commands: empty for a file."""

    file: str | None
    content: str
    commands: list[Command]
    keeps_running: bool


def read_blocks(page: str) -> Iterator[Block]:
    """Yield the blocks with commands, and the blocks with a file name as their caption."""
    for token in MarkdownIt().parse(page):
        if token.type != "fence":
            continue
        language = token.info.removeprefix("{code-block}").strip()
        options = dict(re.findall(r"^:(\w+): (.*)$", token.content, re.MULTILINE))
        content = re.sub(r"\A(:\w+: .*\n)+\n", "", token.content)
        caption = options.get("caption", "")
        if language == "console":
            yield Block(None, content, read_commands(content), caption.endswith(_KEEP))
        elif caption:
            yield Block(caption, content, [], False)


def read_commands(content: str) -> list[Command]:
    """Split a console block at its prompts; a backslash continues a command on the next line."""
    commands: list[Command] = []
    for line in content.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            commands.append(Command(line.removeprefix("$ "), []))
        elif line.strip():
            commands[-1].expected.append(line)
    return commands


def missing_line(expected: list[str], output: str) -> str | None:
    """Return the first expected line that is not in the output, in order; None if all are."""
    lines = iter(output.splitlines())
    for pattern in expected:
        wanted = re.compile(".*".join(map(re.escape, pattern.split("..."))))
        if not any(wanted.fullmatch(line) for line in lines):
            return pattern
    return None


@dataclass(slots=True)
class Console:
    """A reader's terminals. replacements: texts of commands and files that differ on this machine, such as ports."""

    folder: Path
    environment: Mapping[str, str]
    replacements: Mapping[str, str] = field(default_factory=dict)
    _running: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)

    def follow(self, page: str) -> None:
        """Do what the page says, block by block. Fails at the first command that does not print what the page shows."""
        for block in read_blocks(self._adapt(page)):
            if block.file:
                (self.folder / block.file).write_text(block.content)
            for command in block.commands[: -1 if block.keeps_running else None]:
                self._run(command)
            if block.keeps_running:
                self._start(block.commands[-1])

    def stop(self) -> None:
        """Press Ctrl-C in each terminal, the newest first."""
        for text, process in reversed(self._running):
            os.killpg(process.pid, signal.SIGINT)
            code = process.wait(STOP_S_MAX)
            assert code in (0, 130), f"{text}: exit code {code} after Ctrl-C"
        self._running.clear()

    def kill(self) -> None:
        """End what a failed test has left running."""
        for _, process in self._running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _adapt(self, text: str) -> str:
        for old, new in self.replacements.items():
            assert old in text, f"nothing to replace: the page no longer has {old!r}"
            text = text.replace(old, new)
        return text

    def _run(self, command: Command) -> None:
        done = subprocess.run(
            ["/bin/bash", "-c", command.text],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_S_MAX,
        )
        assert done.returncode == 0, f"{command.text}\nexit code {done.returncode}\n{done.stdout}"
        missing = missing_line(command.expected, done.stdout)
        assert missing is None, f"{command.text}\ndid not print {missing!r} but\n{done.stdout}"

    def _start(self, command: Command) -> None:
        output = self.folder / f"terminal-{len(self._running)}.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(
                ["/bin/bash", "-c", f"exec {command.text}"],
                cwd=self.folder,
                env=self.environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running.append((command.text, process))
        deadline_s = time.monotonic() + OUTPUT_S_MAX
        while missing_line(command.expected, output.read_text()) is not None:
            printed = f"{command.text}\nprinted\n{output.read_text()}"
            assert process.poll() is None, f"{printed}and ended with exit code {process.returncode}"
            assert time.monotonic() < deadline_s, printed
            time.sleep(0.2)  # until it prints more
