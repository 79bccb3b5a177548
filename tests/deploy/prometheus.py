"""Runs a real Prometheus on loopback with the rules of deploy/, accelerated so that a minute takes a second."""

import json
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from stripwatch.worker.common.process.child_process import running_process
from stripwatch.worker.common.process.ports import free_port
from tests.deploy.tools import require

FOLDER = Path(__file__).parents[2] / "deploy" / "prometheus"
AWAIT_S_MAX = 120.0
SCRAPE_MS = 250
_HURRIED_MS = {"s": 1000 // 60, "m": 1000, "h": 5_000, "d": 60_000}
_CLOCK = re.compile(r"\b(time|timestamp)\(")
_DURATION = re.compile(r"(?<![\w.])(\d+)([smhd])\b")


def hurried(text: str) -> str:
    """Shorten the durations of a rule or query: a minute becomes 1 s, an hour 5 s, a day 60 s. Its clock runs fast."""
    short = _DURATION.sub(lambda found: f"{max(SCRAPE_MS, int(found[1]) * _HURRIED_MS[found[2]])}ms", text)
    return _CLOCK.sub(r"60 * \1(", short)


@dataclass(frozen=True, slots=True)
class Target:
    port: int
    line: str = "line-1"
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Prometheus:
    url: str
    folder: Path

    def watch(self, targets: Mapping[str, Target]) -> None:
        """Change the scraped targets. Prometheus detects that the file changed."""
        groups = [
            {"targets": [f"127.0.0.1:{target.port}"], "labels": {"line": target.line, "device": target.device}}
            for target in targets.values()
        ]
        part = self.folder / "targets.part"
        part.write_text(json.dumps(groups))
        part.rename(self.folder / "targets.json")

    def query(self, expr: str) -> list[dict[str, Any]]:
        return self._ask("query", query=expr)

    def query_range(self, expr: str, start_s: float) -> list[dict[str, Any]]:
        return self._ask("query_range", query=expr, start=start_s, end=time.time(), step=0.5)

    def firing(self) -> list[dict[str, str]]:
        """Return the labels of every firing alert."""
        return [sample["metric"] for sample in self.query('ALERTS{alertstate="firing"}')]

    def annotations(self) -> list[str]:
        """Return the rendered summaries of the current alerts."""
        with urllib.request.urlopen(f"{self.url}/api/v1/alerts", timeout=60) as answer:
            return [alert["annotations"]["summary"] for alert in json.load(answer)["data"]["alerts"]]

    def _ask(self, what: str, **parameters: Any) -> list[dict[str, Any]]:
        url = f"{self.url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=60) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found


@contextmanager
def running_prometheus(folder: Path, over_tls: bool = False) -> Iterator[Prometheus]:
    """Run Prometheus. folder: for configuration, data and, with TLS, the files named in prometheus.yml's comment."""
    binary, port = require("prometheus", "apt install prometheus"), free_port()
    _write_configuration(folder, _tls_comment() if over_tls else {})
    command = [
        *(binary, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"),
        *(f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"),
    ]
    with running_process("Prometheus", command) as child:
        prometheus = Prometheus(f"http://127.0.0.1:{port}", folder)
        until(lambda: not child.ended and _answers(prometheus), "Prometheus answers")
        yield prometheus


def until(so: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + AWAIT_S_MAX
    while not so():
        assert time.monotonic() < deadline_s, f"not within {AWAIT_S_MAX:g} s: {what}"
        time.sleep(0.1)


def _answers(prometheus: Prometheus) -> bool:
    try:
        return prometheus.query("vector(1)") != []
    except OSError:
        return False


def _tls_comment() -> dict[str, Any]:
    """Return the TLS configuration from the comment in prometheus.yml."""
    lines = re.findall(r"^ +# ((?:scheme|tls_config): .+)$", (FOLDER / "prometheus.yml").read_text(), re.MULTILINE)
    found: dict[str, Any] = yaml.safe_load("\n".join(lines))
    return found


def _write_configuration(folder: Path, tls: Mapping[str, Any]) -> None:
    """Return the configuration of deploy/ with targets from a file and shortened intervals."""
    configuration = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    every = f"{SCRAPE_MS}ms"
    configuration["global"] = {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every}
    job = next(job for job in configuration["scrape_configs"] if job["job_name"] == "stripwatch-worker")
    configuration["scrape_configs"] = [
        {"job_name": job["job_name"], "file_sd_configs": [{"files": [f"{folder}/targets.json"]}], **tls}
    ]
    (folder / "targets.json").write_text("[]")
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    for file in configuration["rule_files"]:
        rules = yaml.safe_load((FOLDER / file).read_text())
        for group in rules["groups"]:
            group["interval"] = hurried(group["interval"]) if "interval" in group else every
            for rule in group["rules"]:
                rule |= {key: hurried(rule[key]) for key in ("expr", "for") if key in rule}
        (folder / file).write_text(yaml.safe_dump(rules))
