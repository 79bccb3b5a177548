"""The layout: few modules in a folder, short chains of packages. Import-linter checks who may import whom."""

from collections import Counter
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

ROOT = Path(__file__).parents[1]
MODULES_MAX = 15
CHAIN_MAX = 11


def test_no_folder_holds_more_modules_than_a_reader_can_survey() -> None:
    files = [file for top in ("worker", "training", "export") for file in (ROOT / top).rglob("*.py")]
    counts = Counter(file.parent for file in files if file.name != "__init__.py")
    assert len(counts) > 25
    assert {str(folder): count for folder, count in counts.items() if count > MODULES_MAX} == {}


def test_the_longest_chain_of_packages_is_short_and_there_is_no_cycle() -> None:
    chain = longest_chain(package_imports())
    assert 3 < len(chain) <= CHAIN_MAX, " -> ".join(chain)


@cache
def package_imports() -> dict[str, set[str]]:
    """For each package with modules, the packages that its modules import."""
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
    """From the top down. Raises graphlib.CycleError where packages import each other in a circle."""
    chains: dict[str, list[str]] = {}
    for package in TopologicalSorter(imports).static_order():
        below = [chains[other] for other in imports.get(package, ()) if other in chains]
        chains[package] = [package, *max(below, key=len, default=[])]
    return max(chains.values(), key=len)
