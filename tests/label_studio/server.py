"""Label Studio for the tests: a server on loopback, in an environment of its own, with its data in a temporary folder.

`python -m tests.label_studio.server` installs it in advance, so that the first test does not have to wait. It needs
internet access only for that. Telemetry, error reports and the check for new versions are off.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stripwatch.worker.common.process.child_process import ChildProcess, running_process
from stripwatch.worker.common.process.ports import free_port
from stripwatch.worker.common.terminal.console import say

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "label-studio.txt"
STORE = ROOT / ".label-studio"
INSTALL_S_MAX, READY_S_MAX, ANSWER_S_MAX, PROBE_S_BETWEEN = 900.0, 600.0, 60.0, 0.2
TOKEN = "0123456789abcdef0123456789abcdef01234567"
USER = "person@example.org"


class LabelStudioUnavailableError(Exception):
    """Label Studio cannot be installed or does not start; the text is the reason."""


@dataclass(frozen=True, slots=True)
class LabelStudio:
    """A running server. url: its address, without a slash at the end."""

    url: str

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request to the API, and return the decoded JSON. Raises AssertionError for an error of the server."""
        content = self.read(method, path, None if body is None else json.dumps(body).encode())
        return json.loads(content) if content else None

    def read(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Send a request, and return the content of the response."""
        headers = {"Authorization": f"Token {TOKEN}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_S_MAX) as answer:
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode(errors="replace")[:1000]
            raise AssertionError(f"{method} {path}: {error.code} {text}") from error


@contextmanager
def label_studio(document_root: Path) -> Iterator[LabelStudio]:
    """Run Label Studio while the block lasts. document_root: folder whose files it may show.

    Raises LabelStudioUnavailableError if it cannot be installed or does not start.
    """
    installed = install()
    with tempfile.TemporaryDirectory(prefix="stripwatch-label-studio-") as folder:
        shutil.copytree(installed / "data", folder, dirs_exist_ok=True)
        with _server(installed / "python", Path(folder), document_root) as running:
            yield running


def install() -> Path:
    """Return the folder with the environment and an empty data folder. It is made once per state of the lock file.

    The migrations of the database take most of the time of a first start, so they are part of the installation.
    """
    folder = STORE / hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    if folder.is_dir():
        return folder
    say(f"installing Label Studio into {folder.relative_to(ROOT)}")
    STORE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=STORE, suffix=".part") as part:
        made, uv = Path(part, "installed"), (sys.executable, "-m", "uv")
        environment, data = made / "python", made / "data"
        _run(*uv, "venv", "--quiet", "--relocatable", "--python", sys.executable, str(environment))
        options = ("--quiet", "--require-hashes", "--compile-bytecode", "--python", str(environment))
        _run(*uv, "pip", "install", *options, "-r", str(LOCK))
        data.mkdir(parents=True)
        with _server(environment, data, data):
            pass
        with suppress(OSError):  # another process was faster
            made.rename(folder)
    return folder


@contextmanager
def _server(environment: Path, data: Path, document_root: Path) -> Iterator[LabelStudio]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(environment / "bin" / "python"), "-m", "label_studio.server", "start", "--no-browser"]
    command += ["--internal-host", "127.0.0.1", "--port", str(port), "--host", url]
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(data),
        "LABEL_STUDIO_BASE_DATA_DIR": str(data),
        "LABEL_STUDIO_USERNAME": USER,
        "LABEL_STUDIO_PASSWORD": TOKEN,
        "LABEL_STUDIO_USER_TOKEN": TOKEN,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(document_root),
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "NO_PROXY": "127.0.0.1",
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9"),  # nothing outside is reached
    }
    with running_process("Label Studio", command, environment=variables, folder=data) as child:
        _await_health(child, url)
        yield LabelStudio(url)


def _await_health(child: ChildProcess, url: str) -> None:
    deadline_s = time.monotonic() + READY_S_MAX
    while True:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=ANSWER_S_MAX):
                return
        except OSError:
            if child.wait(PROBE_S_BETWEEN) is not None or time.monotonic() > deadline_s:
                raise LabelStudioUnavailableError(f"Label Studio does not start{child.output_text()}") from None


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_S_MAX)
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip()[-500:]
        raise LabelStudioUnavailableError(f"Label Studio cannot be installed: {reason}") from error
    except subprocess.TimeoutExpired as error:
        raise LabelStudioUnavailableError(f"Label Studio was not installed within {INSTALL_S_MAX:.0f} s") from error


if __name__ == "__main__":
    print(install())
