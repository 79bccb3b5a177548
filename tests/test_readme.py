"""The README's table of settings is made from the code. `python -m tests.test_readme` writes it again."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from stripwatch.worker.config.settings import SECTIONS, Settings
from stripwatch.worker.simulator.scene import encode_jpeg, render

README = Path(__file__).parents[1] / "README.md"
BLOCK = re.compile(r"(?<=worker/config/settings\.py -->\n).*?(?=<!-- /settings -->)", re.DOTALL)


def settings_table() -> str:
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        section = next((section for section in SECTIONS if section.split(".")[0] == name), None)
        if section:
            rows += [row(f"{section}.{inner}", field) for inner, field in SECTIONS[section].model_fields.items()]
        else:
            rows.append(row(name, field))
    return "\n".join(rows) + "\n"


def row(name: str, field: Any) -> str:
    default = "required" if field.is_required() else "" if field.default is None else f"`{field.default}`"
    return f"| `{name}` | {default} | {field.description} |"


def test_the_table_of_settings_is_that_of_the_code() -> None:
    (found,) = BLOCK.findall(README.read_text())
    assert found == settings_table(), "run: python -m tests.test_readme"


def test_the_python_example_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    (tmp_path / "frame.jpg").write_bytes(encode_jpeg(render("scratch", (200, 200), seed=1).pixels))
    done = subprocess.run(
        [sys.executable, "-P", "-c", example], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120
    )
    first, *defects = done.stdout.splitlines()
    assert first.split()[0] in ("clean", "unsure", "defect")
    assert bool(defects) == (first.split()[0] == "defect")


if __name__ == "__main__":
    README.write_text(BLOCK.sub(lambda _: settings_table(), README.read_text()))
