"""Layout of the code: few modules per folder and short chains of packages. Import-linter checks the import rules.

Tests are independent: each passes in any order, and without another test file.
"""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
MODULES_MAX = 15
CHAIN_MAX = 12


def test_folders_have_at_most_fifteen_modules() -> None:
    files = [file for top in ("worker", "training", "export") for file in (ROOT / top).rglob("*.py")]
    counts = Counter(file.parent for file in files if file.name != "__init__.py")
    assert len(counts) > 25
    assert {str(folder): count for folder, count in counts.items() if count > MODULES_MAX} == {}


def test_package_imports_form_short_chains_without_cycles() -> None:
    chain = longest_chain(package_imports())
    assert 3 < len(chain) <= CHAIN_MAX, " -> ".join(chain)


def test_every_function_on_the_walk_of_one_frame_exists() -> None:
    text = (ROOT / "docs" / "explanation" / "frame-path.md").read_text(encoding="utf-8")
    section = text.partition("## The walk of one frame\n")[2].partition("\n## ")[0]
    steps = [
        (file, name)
        for file, names in re.findall(r"^ {4}(\S+\.py) +(\S.*)$", section, re.MULTILINE)
        for name in names.split(", ")
    ]
    assert len(steps) > 40
    assert [step for step in steps if step[1] not in functions(ROOT / "worker" / step[0])] == []


@cache
def functions(file: Path) -> set[str]:
    """Return the names of a module's functions, and its methods as Class.method."""
    found = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        found |= {prefix + each.name for each in inside if isinstance(each, ast.FunctionDef)}
    return found


@cache
def package_imports() -> dict[str, set[str]]:
    """Return the packages that the modules of each package import."""
    graph = grimp.build_graph("stripwatch", cache_dir=None)
    packages = {module for module in graph.modules if graph.find_children(module)}

    def package_of(module: str) -> str:
        return module if module in packages else module.rpartition(".")[0]

    imports: dict[str, set[str]] = {}
    for module in graph.modules:
        imported = {package_of(other) for other in graph.find_modules_directly_imported_by(module)}
        imports.setdefault(package_of(module), set()).update(imported - {package_of(module)})
    return imports


def longest_chain(imports: dict[str, set[str]]) -> list[str]:
    """Return the packages in import order. Raises graphlib.CycleError if packages import each other in a cycle."""
    chains: dict[str, list[str]] = {}
    for package in TopologicalSorter(imports).static_order():
        below = [chains[other] for other in imports.get(package, ()) if other in chains]
        chains[package] = [package, *max(below, key=len, default=[])]
    return max(chains.values(), key=len)


def test_no_module_imports_a_test_file() -> None:
    """Code shared by test files belongs in a module without tests, or in a conftest.py above them."""
    importing = {
        f"{file.relative_to(ROOT)} imports {name}"
        for file, module in sources_of_tests()
        for name in imported_names(module)
        if any(part.startswith("test_") for part in name.split(".")[:-1])
    }
    assert importing == set()


def test_tests_share_no_random_generator() -> None:
    """The values of a shared generator depend on the tests that ran before. ruff's NPY002 covers numpy's global one."""
    shared = {
        f"{file.relative_to(ROOT)}:{value.lineno} keeps {ast.unparse(value)}"
        for file, module in sources_of_tests()
        for statement in module.body
        if isinstance(statement, ast.Assign | ast.AnnAssign) and (value := statement.value) is not None
        if isinstance(value, ast.Call) and ast.unparse(value.func).rpartition(".")[2] in ("default_rng", "Random")
    }
    assert shared == set()


def sources_of_tests() -> Iterator[tuple[Path, ast.Module]]:
    for file in sorted((ROOT / "tests").rglob("*.py")):
        yield file, ast.parse(file.read_text(encoding="utf-8"))


def imported_names(module: ast.Module) -> Iterator[str]:
    """Return "module.name" for every `from module import name`, also within functions."""
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        if isinstance(node, ast.Import):
            yield from (f"{alias.name}." for alias in node.names)
