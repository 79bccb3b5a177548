"""axe-core in the browser of the tests."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from selenium import webdriver

# axe-core checks these against WCAG 2.2 AA, and against practices that WCAG does not require.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RUN = """
const [rules, done] = arguments;
const pick = ({ violations, incomplete }) => done({ violations, incomplete });
const options = { runOnly: rules, resultTypes: ["violations", "incomplete"] };
axe.run(document, options).then(pick, (error) => done(String(error)));
"""


@dataclass(frozen=True, slots=True)
class Findings:
    """Findings of axe-core as "rule: selector: reason". incomplete: what it could not decide, by rule."""

    violations: list[str]
    incomplete: dict[str, list[str]]


def check(browser: webdriver.Chrome, rules: list[str] = RULES) -> Findings:
    """Check the page as it is now. The policy of the page does not apply to scripts of the browser's driver.

    rules: tags or names of rules, but not both.
    """
    if not browser.execute_script("return typeof axe === 'object'"):
        browser.execute_script(_source())
    browser.set_script_timeout(60)
    found = browser.execute_async_script(_RUN, rules)
    assert isinstance(found, dict), found
    incomplete = {rule["id"]: _lines(rule) for rule in found["incomplete"]}
    return Findings([line for rule in found["violations"] for line in _lines(rule)], incomplete)


def _lines(rule: dict[str, Any]) -> list[str]:
    return [f"{rule['id']}: {node['target'][-1]}: {node['failureSummary']}" for node in rule["nodes"]]


def _source() -> str:
    """Return axe.min.js of the package that holds it, without an import of that package, which needs Playwright."""
    spec = find_spec("axe_playwright_python")
    assert spec is not None
    assert spec.origin is not None
    return (Path(spec.origin).parent / "axe.min.js").read_text(encoding="utf-8")
