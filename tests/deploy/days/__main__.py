"""Print a Markdown table of the alerts that fire on each simulated day. A test verifies it.

python -m tests.deploy.days                    expected alerts
python -m tests.deploy.days --rules FOLDER     alerts that fire with these rules, unexpected ones marked
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import yaml

from tests.deploy.days import faulty, ordinary
from tests.deploy.days.day import Day
from tests.deploy.days.promtool import RULES, outcome_of

ALL_DAYS = (*ordinary.DAYS, *faulty.DAYS)


def alert_names(rules: Path = RULES) -> list[str]:
    groups = yaml.safe_load((rules / "alert_rules.yml").read_text())["groups"]
    return [rule["alert"] for group in groups for rule in group["rules"]]


def table() -> Iterator[str]:
    """Yield one line per alert with the days on which it fires."""
    yield "| alert | fires on these days, and on no other |"
    yield "|---|---|"
    for alert in alert_names():
        yield f"| {alert} | {'; '.join(day.name for day in ALL_DAYS if alert in day.fires)} |"


def compared(rules: Path, days: tuple[Day, ...] = ALL_DAYS) -> Iterator[str]:
    """Yield one line per day with the firing alerts and the unexpected ones."""
    yield "| day | fires | missing | false | at a minute |"
    yield "|---|---|---|---|---|"
    for day in days:
        outcome = outcome_of(day, rules)
        wrong_at = {minute: found for minute, found in outcome.at.items() if found != day.at.get(minute, found)}
        at = "; ".join(f"{minute} min: {_names(found) or 'none'}" for minute, found in wrong_at.items())
        parts = (outcome.ever, day.fires - outcome.ever, outcome.ever - day.fires)
        at += f" NaN: {', '.join(sorted(outcome.not_numbers))}" if outcome.not_numbers else ""
        yield f"| {day.name} | {' | '.join(map(_names, parts))} | {at} |"


def _names(alerts: frozenset[str]) -> str:
    return ", ".join(sorted(name.removeprefix("Stripwatch") for name in alerts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", type=Path, help="a folder with recording_rules.yml and alert_rules.yml")
    parser.add_argument("--day", default="", help="only days whose name contains this")
    options = parser.parse_args()
    days = tuple(day for day in ALL_DAYS if options.day in day.name)
    for line in compared(options.rules, days) if options.rules else table():
        print(line, flush=True)


if __name__ == "__main__":
    main()
