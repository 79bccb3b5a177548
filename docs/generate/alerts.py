"""The page of alerts and recording rules, made from the rule files of Prometheus."""

import os
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from docs.generate.markdown import WIDTH, code, page, paragraph, table

_ROOT = Path(__file__).parents[2]
ALERTS = _ROOT / "deploy" / "prometheus" / "alert_rules.yml"
RECORDING = _ROOT / "deploy" / "prometheus" / "recording_rules.yml"
_HEAD = """# Alerts

Every alert of `deploy/prometheus/alert_rules.yml`. *critical* means that the strip is not inspected, or soon will not
be, and wakes a person; *warning* can wait until the morning. Words in italics stand for a label or value of the alert.
An alert fires when its condition has held for the stated time. What to do: RUNBOOKS.
"""
_RECORDING_HEAD = """## Recording rules

The rules of `deploy/prometheus/recording_rules.yml`, which alerts and boards share. A name is *level:metric:operation*.
Change a target, such as `stripwatch:lag_seconds:target`, in that file.
"""
_VALUES = {"humanizeDuration": "duration", "humanizePercentage": "share"}
_CHOICE = re.compile(r"{{ if .+? }}(.+?)\s*{{ else }}.+?{{ end }}")  # the first text is that of the usual case
_TEMPLATE = re.compile(r"{{(.+?)}}")


def alerts_page() -> str:
    """Return the page with every alert and every recording rule, in the order of the files."""
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    rows = [
        [f"[{code(rule['alert'])}](#{rule['alert'].lower()})", rule["labels"]["severity"], _condition(rule)]
        for group in groups
        for rule in group["rules"]
    ]
    return page(
        _HEAD.replace("RUNBOOKS", _runbook(groups[0]["rules"][0], "runbooks")),
        table(["alert", "severity", "condition"], rows),
        *(block for group in groups for block in _group(group)),
        _RECORDING_HEAD,
        *(block for name, meaning, rule in recording_rules() for block in _recording(name, meaning, rule)),
    )


def recording_rules() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield name, meaning and content of each recording rule. The meaning is the comment above or behind its name."""
    meanings = list(_comments(RECORDING.read_text()))
    rules = [rule for group in yaml.safe_load(RECORDING.read_text())["groups"] for rule in group["rules"]]
    for meaning, rule in zip(meanings, rules, strict=True):
        yield rule["record"], meaning, rule


def _comments(text: str) -> Iterator[str]:
    above: list[str] = []
    for line in map(str.strip, text.splitlines()):
        if line.startswith("- record:"):
            yield _markdown([*above, line.partition(" # ")[2]])
        above = [*above, line.removeprefix("# ")] if line.startswith("# ") else []


def _markdown(lines: list[str]) -> str:
    """Format a comment. A rule within it, which begins with a brace, is an example and goes to its end."""
    text, brace, example = "\n".join(lines).strip().partition("  {")
    text = text.strip()[:1].upper() + text.strip()[1:]
    if example:
        return f"{text}\n\n```yaml\n- {brace.strip()}{example}\n```"
    return text if not text or text.endswith(".") else f"{text}."


def _group(group: dict[str, Any]) -> list[str]:
    blocks = [f"## {group['name'].removeprefix('stripwatch-').capitalize()}"]
    for rule in group["rules"]:
        delay = f"after {rule['for']}" if "for" in rule else "at once"
        facts = f"Severity: {rule['labels']['severity']}. Fires {delay}."
        blocks += [
            f"### {rule['alert']}",
            paragraph(_condition(rule)),
            f"{facts} What to do: {_runbook(rule, 'runbook', '#' + rule['alert'].lower())}.",
            _expression(rule),
        ]
    return blocks


def _recording(name: str, meaning: str, rule: dict[str, Any]) -> list[str]:
    return [f"### {code(name)}", meaning, _expression(rule)]


def _expression(rule: dict[str, Any]) -> str:
    # The lexer of Pygments for PromQL refuses the colons in the names of recording rules, hence plain text.
    lines = textwrap.fill(rule["expr"], WIDTH - 20, break_long_words=False, break_on_hyphens=False)
    return f"```text\n{lines}\n```"


def _condition(rule: dict[str, Any]) -> str:
    """Return the summary with a word in italics in place of each template, such as `{{ $labels.line }}`."""
    summary = _CHOICE.sub(r"\1", rule["annotations"]["summary"]).strip()
    return _TEMPLATE.sub(lambda found: f"*{_placeholder(found[1])}*", summary)


def _placeholder(template: str) -> str:
    if label := re.search(r"\$labels\.(\w+)", template):
        return label[1]
    return next((word for function, word in _VALUES.items() if function in template), "N")


def _runbook(rule: dict[str, Any], text: str, section: str = "") -> str:
    """Link to the runbooks, or to a section of them. Files outside docs are not on the site, so they are only named."""
    path = rule["annotations"]["runbook_url"].partition("#")[0]
    if path.endswith("}}/runbooks"):  # served by `stripwatch view`; here is the page that it is made from
        path = "docs/how-to/operator/runbooks.md"
    if not path.startswith("docs/"):
        return code(path)
    return f"[{text}]({os.path.relpath(path, 'docs/reference')}{section})"
