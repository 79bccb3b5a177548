"""The Prometheus rules, and promtool to check them."""

import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.tools import require

# The external label that prometheus.yml sets, else the default address of `stripwatch view`.
PAGE_ADDRESS = '{{ or $externalLabels.stripwatch_page "http://127.0.0.1:8800" }}'
DEPLOY = Path(__file__).parents[2] / "deploy"


def rules(file: str) -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "prometheus" / file).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def promtool(*arguments: str, stdin: str = "") -> str:
    command = [require("promtool", "apt install prometheus"), *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
