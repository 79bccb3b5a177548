"""The explanation pages name modules, functions and settings that exist."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from stripwatch.worker.config.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "explanation").glob("*.md"))
TOPS = ("worker", "training", "export", "src", "tests", "deploy", "docs")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_module_named_on_a_page_exists(page: Path) -> None:
    assert [name for name in code_spans(page, r"[\w/]+\.py") if not is_module(name)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_member_of_a_class_named_on_a_page_exists(page: Path) -> None:
    named = code_spans(page, r"[A-Z]\w+\.[a-z_]\w*")
    assert [name for name in named if name.partition(".")[0] in members() and not is_member(name)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_setting_in_a_section_named_on_a_page_exists(page: Path) -> None:
    sections = {name: field.annotation for name, field in Settings.model_fields.items()}
    wrong = []
    for name in code_spans(page, r"[a-z_]+\.[a-z_]+"):
        section, _, key = name.partition(".")
        keys = getattr(sections.get(section), "model_fields", None)
        if keys is not None and key not in keys and not is_module(name):
            wrong.append(name)
    assert wrong == []


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "explanation" / "index.md").read_text()
    assert [page.name for page in PAGES if page.stem != "index" and f"]({page.name})" not in index] == []


def test_the_test_of_members_sees_functions_fields_and_attributes() -> None:
    assert is_member("LoadedModel.decode_frame")
    assert is_member("Manifest.trained")
    assert not is_member("LoadedModel.missing")


def code_spans(page: Path, pattern: str) -> list[str]:
    return re.findall(rf"`({pattern})`", page.read_text())


@cache
def modules() -> frozenset[str]:
    return frozenset(str(file.relative_to(ROOT)) for top in TOPS for file in (ROOT / top).rglob("*.py"))


def is_module(name: str) -> bool:
    """Accept a path from the root, or its last parts: `consume/consumer.py`."""
    return name in modules() or any(module.endswith(f"/{name}") for module in modules())


def is_member(name: str) -> bool:
    cls, _, member = name.partition(".")
    return member in members().get(cls, set())


@cache
def members() -> dict[str, set[str]]:
    """For each class of the project, the names of its functions, fields and attributes."""
    found: dict[str, set[str]] = {}
    for module in modules():
        for node in ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, set()).update(names_in(node))
    return found


def names_in(node: ast.ClassDef) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.FunctionDef):
            yield each.name
        if isinstance(each, ast.AnnAssign | ast.Assign):
            targets = [each.target] if isinstance(each, ast.AnnAssign) else each.targets
            yield from (t.id for t in targets if isinstance(t, ast.Name))
            yield from (t.attr for t in targets if isinstance(t, ast.Attribute))
