"""`python -m tests.deploy.slim`: builds the contents of the images without a container engine, and runs their commands.

It creates the file system of a slim Debian 12 with Python 3.11 and nothing else (debootstrap), executes COPY and RUN of
each Dockerfile in it (chroot), and runs the commands of compose.yaml there as the image's user, with a read-only root.
This finds problems that a virtual environment on a full machine hides: a missing system library, a file missing in the
wheel, an unexpected write. It is not a container: network and processes are those of the machine. It needs root, 10 GB
and several minutes.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from stripwatch.worker.bench.embedded_broker import embedded_broker
from stripwatch.worker.common.process.child_process import module_command
from stripwatch.worker.common.process.ports import free_port
from tests.deploy.dockerfile import Copy, Image, read_image

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
WORKER, TRAINING = DEPLOY / "worker.Dockerfile", DEPLOY / "training.Dockerfile"
DEMO = "strip-mobilenet.onnx"  # relative to the image's folder
AWAIT_S_MAX = 120.0
# Debian's python3.11 replaces the image python:3.11-slim-bookworm.
PACKAGES = "python3,python3-venv,ca-certificates"
_ENTER = """
set -e
mount --bind "$0" "$0"; mount -o remount,ro,bind "$0"
mount -t tmpfs tmpfs "$0/tmp"; mount -t proc proc "$0/proc"
mount --bind "$1" "$0/mnt"
user=$2 folder=$3; shift 3
exec chroot --userspec="$user" "$0" /usr/bin/env -i -C "$folder" "$@"
"""

_LOAD = """
import ctypes, sys, onnxruntime
onnxruntime.preload_dlls()
try:
    ctypes.CDLL(sys.argv[1])
except OSError as error:
    print(error)
"""


class SlimRoot:
    """The file system of an image."""

    def __init__(self, image: Image, root: Path, volume: Path) -> None:
        self.image, self.root, self.volume = image, root, volume

    @classmethod
    def build(cls, base: Path, file: Path, target: str, root: Path, volume: Path) -> Self:
        """Build an image. target: stage of the Dockerfile; stages that it copies from are built first."""
        image, stages = read_image(file, target), {}
        for stage in {copy.stage for copy in image.copies if copy.stage is not None}:
            stages[stage] = root.with_name(f"{root.name}-{stage}")
            cls.build(base, file, stage, stages[stage], volume)
        shutil.rmtree(root, ignore_errors=True)
        subprocess.run(["cp", "-a", "--reflink=auto", base, root], check=True)
        folder = root / image.folder.lstrip("/")
        folder.mkdir()
        enter = ["chroot", str(root), "/usr/bin/env", "-i", "-C", image.folder, *pairs(image, **pip_settings())]
        for instruction in image.instructions:
            if instruction.name == "COPY":
                copy = Copy.read(instruction.text)
                origin = ROOT if copy.stage is None else stages[copy.stage]
                (folder / copy.target).parent.mkdir(parents=True, exist_ok=True)
                sources = [origin / source.lstrip("/") for source in copy.sources]
                subprocess.run(["cp", "-RP", *sources, folder / copy.target], check=True)  # preserve links
            if instruction.name == "RUN":
                say(f"RUN {' '.join(instruction.words)}")
                subprocess.run([*enter, *instruction.words], check=True, stdout=sys.stderr)
        return cls(image, root, volume)

    def start(self, command: Sequence[str], **more: str) -> subprocess.Popen[str]:
        """Start a command as the image's user, with a read-only root and a /tmp in memory."""
        inner = [self.image.user, self.image.folder, *pairs(self.image, **more), *command]
        enter = ["unshare", "-m", "sh", "-c", _ENTER, str(self.root), str(self.volume)]
        return subprocess.Popen([*enter, *inner], stdout=subprocess.PIPE, text=True)

    def run(self, command: Sequence[str], **more: str) -> str:
        """Run a command and return its stdout. Exits if the command fails."""
        process = self.start(command, **more)
        out, _ = process.communicate(timeout=1200)
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
        return out


def pairs(image: Image, **more: str) -> list[str]:
    return [f"{key}={value}" for key, value in (image.environment | more).items()]


def pip_settings() -> dict[str, str]:
    """Return this machine's pip configuration for its registry, which an image build does not have."""
    return {key: value for key, value in os.environ.items() if key in ("PIP_CERT", "PIP_INDEX_URL")}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def slim_base(folder: Path) -> Path:
    base = folder / "base"
    if not (base / "usr/bin/python3").exists():
        command = ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(base)]
        subprocess.run(command, check=True, stdout=sys.stderr)
    for file in ("etc/resolv.conf", "etc/ssl/certs/ca-certificates.crt"):
        shutil.copy(Path("/", file), base / file)
    return base


def check_worker(slim: SlimRoot) -> dict[str, object]:
    """Run topics, cameras and worker of compose.yaml with the embedded broker outside the image."""
    image = slim.image
    found = json.loads(slim.run(image.command(["check", "--bundle", DEMO])).splitlines()[-1])
    with embedded_broker() as broker:
        servers = broker.bootstrap_servers
        slim.run(image.command(["topics", "--bootstrap-servers", servers, "--partitions", "4"]))
        more = {"STRIPWATCH_BOOTSTRAP_SERVERS": servers, "STRIPWATCH_SESSION_TIMEOUT_MS": "6000"}
        worker = slim.start(image.command(["run", "--bundle", DEMO]), **more)
        try:
            await_health(slim, worker)
            cameras = ["simulate", "--bootstrap-servers", servers, "--cameras", "4", "--rate", "10", "--seconds", "10"]
            sent = json.loads(slim.run(image.command(cameras)).splitlines()[-1])
            shows_page = look_at_view(slim, more)
            worker.send_signal(signal.SIGTERM)
            code = worker.wait(AWAIT_S_MAX)
        finally:
            worker.kill()
    return {"provider": found["provider"], "page": shows_page, "frames_sent": sent["frames_sent"], "exit_code": code}


def look_at_view(slim: SlimRoot, settings: dict[str, str]) -> bool:
    port = free_port()
    view = slim.start(slim.image.command(["view", "--port", str(port)]), **settings)
    try:
        deadline_s = time.monotonic() + AWAIT_S_MAX
        while view.poll() is None and time.monotonic() < deadline_s:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                return b"<html" in answer.read()
            time.sleep(1)
        return False
    finally:
        view.terminate()


def await_health(slim: SlimRoot, worker: subprocess.Popen[str]) -> None:
    deadline_s = time.monotonic() + AWAIT_S_MAX
    while slim.start(slim.image.health_command).wait() != 0:
        if worker.poll() is not None or time.monotonic() > deadline_s:
            raise SystemExit(f"the worker is not healthy; exit code {worker.poll()}")
        time.sleep(1)


def check_gpu(slim: SlimRoot) -> dict[str, object]:
    """Check without a GPU that all libraries except the driver's are found, and that the CPU is not used instead."""
    library = next(slim.root.glob("opt/venv/lib/python3*/site-packages/onnxruntime/capi/*providers_cuda.so"))
    error = slim.run(["python", "-c", _LOAD, f"/{library.relative_to(slim.root)}"]).strip()
    refused = slim.start(slim.image.command(["check", "--bundle", DEMO])).wait(AWAIT_S_MAX)
    return {"library_missing": error, "exit_code_without_a_gpu": refused}


def check_training(slim: SlimRoot) -> dict[str, object]:
    """Run the two commands from the head of the Dockerfile on a simulated strip."""
    volume = slim.volume
    data, run = "/mnt/strips", "/mnt/run"
    subprocess.run(
        [*module_command("worker"), "simulate", "--out", volume / "strips", "--frames", "360"],
        check=True,
        stdout=sys.stderr,
    )
    model = ["--network", "mobilenet", "--alpha", "0.25", "--weights", "none", "--input", "96x96"]
    fit = ["train", "fit", "--data", data, *model, "--epochs", "12", "--out", run]
    slim.run(slim.image.command(fit))
    exported = slim.run(slim.image.command(["export", "run", run, "--out", f"{run}.onnx"]))
    return {"exported": json.loads(exported.splitlines()[-1])}


CHECKS = {"cpu": check_worker, "gpu": check_gpu, "training": check_training}


def build(base: Path, name: str, folder: Path) -> SlimRoot:
    volume = folder / f"{name}-volume"
    shutil.rmtree(volume, ignore_errors=True)
    volume.mkdir()
    volume.chmod(0o777)
    return SlimRoot.build(base, TRAINING if name == "training" else WORKER, name, folder / name, volume)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--folder", type=Path, required=True, help="Folder for the file systems; empty, or from an earlier run."
    )
    parser.add_argument("--image", choices=list(CHECKS), action="append", help="All of them without.")
    options = parser.parse_args()
    folder: Path = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    base, found = slim_base(folder), {}
    for name in options.image or CHECKS:
        slim = build(base, name, folder)
        found[name] = CHECKS[name](slim)
        found[name]["megabytes"] = int(subprocess.check_output(["du", "-sm", slim.root / "opt"]).split()[0])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
