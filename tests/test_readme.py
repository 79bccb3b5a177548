"""The examples of the README work, and its figures are those of the benchmarks page."""

import re
import subprocess
import sys
from pathlib import Path

from stripwatch.worker.simulator.scene import encode_jpeg, render

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BENCHMARKS = (ROOT / "docs/explanation/benchmarks.md").read_text()
BYTES_MAX = 8_000


def test_the_python_example_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "frame.jpg").write_bytes(encode_jpeg(render("scratch", (200, 200), seed=1).pixels))
    done = subprocess.run(
        [sys.executable, "-P", "-c", example], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120
    )
    first, *defects = done.stdout.splitlines()
    assert first.split()[0] in ("clean", "unsure", "defect")
    assert bool(defects) == (first.split()[0] == "defect")


def test_figures_are_on_the_benchmarks_page_with_date_and_commit() -> None:
    rows = re.findall(r"^\| (.+) \| ([\d.,]+) \| (\d{4}-\d\d-\d\d) \| (\w+) \|$", README, re.MULTILINE)
    assert len(rows) == 8
    missing = {part for row in rows for part in row[1:] if not re.search(rf"(?<![\w.,]){part}(?![\w])", BENCHMARKS)}
    assert missing == set()


def test_the_readme_stays_short() -> None:
    assert len(README.encode()) <= BYTES_MAX
