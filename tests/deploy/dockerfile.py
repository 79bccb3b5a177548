"""Parses Dockerfiles into instructions per stage, as far as this project uses the language."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True)
class Instruction:
    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """Return the words of the exec form, or the shell form as a call of the shell."""
        if self.text.startswith("["):
            found: list[str] = json.loads(self.text)
            return found
        return ["/bin/sh", "-c", self.text]


@dataclass(frozen=True, slots=True)
class Copy:
    """A COPY instruction. stage: name of the source stage, or None for the build context."""

    sources: tuple[str, ...]
    target: str
    stage: str | None

    @classmethod
    def read(cls, text: str) -> Self:
        *sources, target = text.split()
        if not sources[0].startswith("--from="):
            return cls(tuple(sources), target, None)
        return cls(tuple(sources[1:]), target, sources[0].removeprefix("--from="))


@dataclass(frozen=True, slots=True)
class Image:
    """An image target: the instructions of all its stages, oldest first."""

    instructions: tuple[Instruction, ...]

    def of(self, name: str) -> list[Instruction]:
        return [instruction for instruction in self.instructions if instruction.name == name]

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment, with variables of earlier lines substituted."""
        found = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        for instruction in self.of("ENV"):
            for key, value in re.findall(r"(\w+)=(\S+)", instruction.text):
                found[key] = re.sub(r"\$(\w+)", lambda name: found[name[1]], value)
        return found

    @property
    def folder(self) -> str:
        return self.of("WORKDIR")[-1].text

    @property
    def user(self) -> str:
        return self.of("USER")[-1].text

    def command(self, arguments: list[str] | None = None) -> list[str]:
        return self.of("ENTRYPOINT")[-1].words + (self.of("CMD")[-1].words if arguments is None else arguments)

    @property
    def health_command(self) -> list[str]:
        return Instruction("CMD", self.of("HEALTHCHECK")[-1].text.partition(" CMD ")[2].strip()).words

    @property
    def copies(self) -> list[Copy]:
        return [Copy.read(instruction.text) for instruction in self.of("COPY")]

    @property
    def context(self) -> list[str]:
        """Return the paths copied from the build context."""
        return [source for copy in self.copies if copy.stage is None for source in copy.sources]


def read_image(file: Path, target: str | None = None) -> Image:
    """Read a Dockerfile. target: name of a stage; the last one by default."""
    stages: dict[str, tuple[Instruction, ...]] = {}
    name = ""
    for instruction in _instructions(file.read_text()):
        if instruction.name == "FROM":
            base, _, name = instruction.text.partition(" AS ")
            stages[name] = stages.get(base, (instruction,))
        else:
            stages[name] += (instruction,)
    return Image(stages[name if target is None else target])


def _instructions(text: str) -> list[Instruction]:
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [Instruction(*line.split(" ", 1)) for line in joined.splitlines()]
