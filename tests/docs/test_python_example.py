"""The Python example of the README runs as it is printed."""

import re
import subprocess
import sys
from pathlib import Path

from stripwatch.worker.simulator.scene import encode_jpeg, render

README = Path(__file__).parents[2] / "README.md"


def test_the_python_example_prints_a_verdict_and_the_defects(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    (tmp_path / "frame.jpg").write_bytes(encode_jpeg(render("scratch", (200, 200), seed=1).pixels))
    done = subprocess.run(
        [sys.executable, "-P", "-c", example], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120
    )
    first, *defects = done.stdout.splitlines()
    assert first.split()[0] in ("clean", "unsure", "defect")
    assert bool(defects) == (first.split()[0] == "defect")
