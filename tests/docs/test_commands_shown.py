"""Commands, settings, metrics, alerts and topics that a document shows exist. Nothing is executed."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer
import yaml
from markdown_it import MarkdownIt
from prometheus_client import CollectorRegistry
from typer.exceptions import TyperException

from stripwatch.cli import app
from stripwatch.worker.broker.admin import plan_topics
from stripwatch.worker.common.errors import SettingsError
from stripwatch.worker.common.terminal.command_line import PROGRAM
from stripwatch.worker.config.command_line.setting_options import SettingsCommand
from stripwatch.worker.config.loader import build_settings
from stripwatch.worker.contracts import topics
from stripwatch.worker.contracts.frame_headers import OriginHeaders, RejectHeaders, ReviewHeaders
from stripwatch.worker.monitoring.coil_metrics import CoilMetrics
from stripwatch.worker.monitoring.metrics import Metrics
from stripwatch.worker.monitoring.view_metrics import ViewMetrics
from tests.deploy.rules import rules

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "deploy" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHELLS = ("console", "shell", "sh", "bash", "")  # "": an indented block
PLACEHOLDERS = {"...", "OPTIONS"}
FORWARDS = ("train crossval", "train compare")  # they pass options that they do not know to `train fit`
page_parameter = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@page_parameter
def test_every_command_shown_parses(page: Path) -> None:
    found = [(command, problem) for command in commands(page.read_text()) if (problem := problem_of(command))]
    assert found == []


@page_parameter
def test_every_toml_block_is_accepted_as_settings(page: Path) -> None:
    for language, content in blocks(page.read_text()):
        if language == "toml":
            build_settings(tomllib.loads(content), {})


@page_parameter
def test_every_python_block_compiles(page: Path) -> None:
    for language, content in blocks(page.read_text()):
        if language == "python":
            compile(content, str(page), "exec")


@page_parameter
def test_every_panel_and_row_of_a_board_named_exists(page: Path) -> None:
    boards = "".join(file.read_text() for file in (ROOT / "deploy/grafana").glob("*.json"))
    named = re.findall(r"\b(?:panel|row)\s+\*([^*]+)\*", page.read_text())
    assert [name for name in named if f'"title": "{" ".join(name.split())}"' not in boards] == []


@page_parameter
def test_every_metric_alert_and_topic_named_exists(page: Path) -> None:
    text = page.read_text()
    metrics = set(re.findall(r"\b(?:\w+:)?stripwatch_[a-z0-9_]*[a-z0-9]\b(?![*.])", text))
    alerts = set(re.findall(r"\bStripwatch(?!Error\b)[A-Z]\w+", text))
    named = set(re.findall(r"`(inspection\.[a-z]+)`", text))
    assert sorted(name for name in metrics if not is_metric(name)) == []
    assert sorted(alerts - {rule["alert"] for rule in rules("alert_rules.yml")}) == []
    assert sorted(named - set(topics.ALL)) == []


def test_wrong_commands_and_names_are_found() -> None:
    page = (
        "```console\n$ A=1 stripwatch run --bundel x | tail\n$ stripwatch topics\n```\n\n    stripwatch walk  # far\n"
    )
    assert [problem_of(command) for command in commands(page)] == [
        "no such option '--bundel'",
        "missing: bootstrap_servers",
        "no command 'walk'",
    ]
    assert problem_of("stripwatch train compare --data d --networks a --out o --alfa 1") == "No such option: --alfa"
    assert problem_of("stripwatch train compare --data d --networks a --out o --alpha 1") is None
    assert is_metric("line:stripwatch_lag_seconds")
    assert is_metric("stripwatch_frames_total")
    assert not is_metric("stripwatch_frame_total")
    assert {plan.name for plan in plan_topics(1, 1, 1, 1)} == set(topics.ALL)


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """The language and the content of each block of code."""
    for token in MarkdownIt().parse(text):
        if token.type in ("fence", "code_block"):
            language = token.info.removeprefix("{code-block}").strip()
            yield language, re.sub(r"\A(:\w+: .*\n)+\n", "", token.content)


def commands(text: str) -> Iterator[str]:
    for language, content in blocks(text):
        if language in SHELLS:
            for line in re.sub(r"\\\n *", " ", content).splitlines():
                for part in re.split(r" (?:\||&&) ", line.removeprefix("$ ")):
                    if match := re.match(rf"\s*(?:[A-Z_]+=\S+ )*(?:\S*/)?({PROGRAM} .*)", part):
                        yield match[1]


def problem_of(command: str) -> str | None:
    """Return the fault of a command, or None. "..." and OPTIONS stand for options that a reader knows."""
    words = shlex.split(command, comments=True)[1:]
    shortened = bool(PLACEHOLDERS & set(words))
    words = [word for word in words if word not in PLACEHOLDERS]
    context = typer.Context(typer.main.get_command(app), info_name=PROGRAM)
    path = []
    while hasattr(context.command, "get_command") and words and not words[0].startswith("-"):
        below = context.command.get_command(context, words[0])
        if below is None:
            return f"no command {words[0]!r}"
        path.append(words.pop(0))
        context = typer.Context(below, parent=context, info_name=path[-1], **below.context_settings)
    return None if words in (["--help"], ["--version"]) else _wrong_options(context, words, " ".join(path), shortened)


def _wrong_options(context: typer.Context, words: list[str], path: str, shortened: bool) -> str | None:
    try:
        if isinstance(context.command, SettingsCommand):
            words = context.command.with_pairs(words)
        values, rest, _ = context.command.make_parser(context).parse_args(list(words))
    except SettingsError as error:
        return str(error).partition("; did you")[0]
    except TyperException as error:
        return str(error.format_message()).partition(" Did you")[0].partition(" (")[0].rstrip(".")
    missing = [str(one.name) for one in context.command.params if one.required and not values.get(one.name or "")]
    if missing and not shortened:
        return f"missing: {', '.join(missing)}"
    if path in FORWARDS and rest:
        return problem_of(shlex.join([PROGRAM, "train", "fit", "--data", "d", "--network", "n", "--out", "o", *rest]))
    return f"unexpected: {' '.join(rest)}" if rest else None


def is_metric(name: str) -> bool:
    """Whether a name is that of a metric, recording rule, external label or header, or begins one if abbreviated."""
    return name in known_names() or any(known.startswith(name) and known[len(name)] == ":" for known in known_names())


@cache
def known_names() -> frozenset[str]:
    kinds: tuple[type[Metrics | CoilMetrics | ViewMetrics], ...] = (Metrics, CoilMetrics, ViewMetrics)
    registries = [kind(CollectorRegistry()).registry for kind in kinds]
    families = [family for registry in registries for family in registry.collect()]
    endings = ("", "_total", "_bucket", "_count", "_sum")
    names = {family.name + ending for family in families for ending in endings}
    names |= {rule["record"] for rule in rules("recording_rules.yml")}
    names |= set(yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())["global"]["external_labels"])
    headers = {name for part in (OriginHeaders, RejectHeaders, ReviewHeaders) for name in part.__struct_fields__}
    sources = [ROOT / "worker/contracts/header_names.py", ROOT / "worker/monitoring/worker_scrape.py"]
    sources += [ROOT / "worker/monitoring/health_metrics.py", ROOT / "worker/service/supervisor.py"]
    own = {name for file in sources for name in re.findall(r'"(?:stripwatch_)?([a-z_]+)"', file.read_text())}
    return frozenset(names | {f"stripwatch_{name}{ending}" for name in own | headers for ending in endings})
