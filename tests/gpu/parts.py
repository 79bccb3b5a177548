"""Split a large file into folders of limited size, and join them again, verified by SHA-256. Standard library only."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

PART_BYTES = 60_000_000
MANIFEST = "manifest.json"
_CHUNK = 1 << 20


class PartsError(Exception):
    """A part is missing or damaged."""


@dataclass(frozen=True, slots=True)
class Part:
    """Manifest of a part: its number, the number of parts, and size and checksum of the part and of the whole file."""

    number: int
    of: int
    size: int
    sha256: str
    whole_size: int
    whole_sha256: str


def split(whole: Path, out: Path, part_bytes: int = PART_BYTES) -> list[Path]:
    """Write out/part-00, out/part-01, ..., each with `data` and its manifest."""
    size, sha256 = whole.stat().st_size, file_sha256(whole)
    count = max(1, -(-size // part_bytes))
    folders = [out / f"part-{number:02d}" for number in range(count)]
    with whole.open("rb") as file:
        for number, folder in enumerate(folders):
            folder.mkdir(parents=True, exist_ok=True)
            data = file.read(part_bytes)
            (folder / "data").write_bytes(data)
            part = Part(number, count, len(data), hashlib.sha256(data).hexdigest(), size, sha256)
            (folder / MANIFEST).write_text(json.dumps(asdict(part), indent=1))
    return folders


def join(folder: Path, whole: Path) -> Path:
    """Join the parts in `folder` into `whole`. Raises PartsError, which names every missing or damaged part."""
    parts = {path.name: _read(path) for path in sorted(folder.glob("part-*"))}
    if not parts:
        raise PartsError(f"no parts in {folder}")
    first = next(iter(parts.values()))
    wrong = [name for name, part in parts.items() if part.whole_sha256 != first.whole_sha256]
    if wrong:
        raise PartsError(f"{folder} holds parts of two different packages: {', '.join(wrong)} and the others")
    missing = [name for number in range(first.of) if (name := f"part-{number:02d}") not in parts]
    damaged = [name for name, part in parts.items() if not _is_sound(folder / name / "data", part)]
    if missing or damaged:
        raise PartsError("; ".join(_say(missing, "missing", first.of) + _say(damaged, "damaged", first.of)))
    draft = whole.with_name(whole.name + ".draft")
    with draft.open("wb") as file:
        for name in parts:
            file.write((folder / name / "data").read_bytes())
    if file_sha256(draft) != first.whole_sha256:
        raise PartsError("the checksum of the joined file is wrong")
    draft.replace(whole)
    return whole


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file of any size."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _read(folder: Path) -> Part:
    try:
        return Part(**json.loads((folder / MANIFEST).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise PartsError(f"the manifest of {folder.name} is missing or not readable") from error


def _is_sound(data: Path, part: Part) -> bool:
    return data.exists() and data.stat().st_size == part.size and file_sha256(data) == part.sha256


def _say(names: list[str], what: str, of: int) -> list[str]:
    return [f"{what}: {', '.join(names)} of {of} parts"] if names else []
