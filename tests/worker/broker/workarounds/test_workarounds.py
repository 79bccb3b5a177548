"""Each workaround is documented and tested, and no other module uses private attributes of kafka-python."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from stripwatch.worker.broker.workarounds.tested_version import TESTED_VERSION

ROOT = Path(__file__).parents[4]
FOLDER = ROOT / "worker" / "broker" / "workarounds"
FORM = re.compile(
    r"(?P<fault>[^\n]+\.)\n\n"
    r"Version: kafka-python (?P<version>[\d.]+)\n"
    r"Symptom: (?P<symptom>.+?)\n"
    r"Workaround: (?P<workaround>.+?)\n"
    r"(?:Upstream: .+?\n)?"
    r"Shown by: (?P<tests>.+)",
    re.DOTALL,
)
NAMEDTUPLE = {"_asdict", "_replace"}  # public despite their names


class Workaround(NamedTuple):
    module: Path
    fault: str
    version: str
    tests: tuple[str, ...]

    @property
    def test_file(self) -> Path:
        """Path of the tests; for the package `batches`, those of record_batches.py."""
        mirrored = ROOT / "tests" / self.module.relative_to(ROOT)
        if self.module.name != "__init__.py":
            return mirrored.with_name(f"test_{self.module.name}")
        return mirrored.with_name("test_record_batches.py")

    @property
    def row(self) -> str:
        name = self.module.relative_to(FOLDER)
        shown = f"`{name.parent if name.name == '__init__.py' else name.with_suffix('')}`"
        return f"| {shown} | {self.version} | {self.fault} | {', '.join(f'`{test}`' for test in self.tests)} |"


def modules() -> list[Path]:
    """Return one file per workaround; for `batches`, which is a package, its `__init__.py`."""
    found = [file for kind in ("connection", "consumer", "producer") for file in (FOLDER / kind).glob("*.py")]
    return sorted([file for file in found if file.name != "__init__.py"] + [FOLDER / "batches" / "__init__.py"])


def read(module: Path) -> Workaround:
    docstring = ast.get_docstring(ast.parse(module.read_text()))
    stated = FORM.fullmatch(docstring or "")
    assert stated, f"the docstring of {module} lacks a field: see worker/broker/workarounds/__init__.py"
    return Workaround(module, stated["fault"], stated["version"], tuple(re.findall(r"test_\w+", stated["tests"])))


@pytest.mark.parametrize("module", modules(), ids=lambda module: str(module.relative_to(FOLDER)))
def test_each_workaround_states_its_version_and_the_tests_that_show_the_fault(module: Path) -> None:
    workaround = read(module)
    assert workaround.version == TESTED_VERSION
    tree = ast.parse(workaround.test_file.read_text())
    there = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert workaround.tests
    assert set(workaround.tests) <= there


def test_the_documentation_lists_all_workarounds() -> None:
    rows = [read(module).row for module in modules()]
    lines = (ROOT / "docs" / "explanation" / "kafka-python.md").read_text().splitlines()
    listed = [line for line in lines if re.match(r"\| `(batches`|(connection|consumer|producer)/)", line)]
    assert listed == rows, "the table in docs/explanation/kafka-python.md must be:\n" + "\n".join(rows)


def private_uses(source: str) -> Iterator[str]:
    """Yield uses of private attributes of other objects, for a module that imports Kafka."""
    tree = ast.parse(source)
    imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    if not any(name.split(".")[0] == "kafka" or ".worker.broker" in name for name in imported):
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or not re.match(r"_[a-z]", node.attr) or node.attr in NAMEDTUPLE:
            continue
        if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")):
            yield f"{node.lineno}: {ast.unparse(node)}"


def test_no_other_module_uses_private_attributes_of_kafka_python() -> None:
    files = [file for top in ("worker", "training", "export") for file in (ROOT / top).rglob("*.py")]
    others = [file for file in files if FOLDER not in file.parents]
    found = {str(file.relative_to(ROOT)): list(private_uses(file.read_text())) for file in others}
    assert len(found) > 200
    assert {file: parts for file, parts in found.items() if parts} == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from kafka import KafkaConsumer\ncount = KafkaConsumer()._metrics", ["2: KafkaConsumer()._metrics"]),
        ("import kafka\nself._consumer._net.sleep(1)", ["2: self._consumer._net"]),
        ("from stripwatch.worker.broker.consumers import open_reader\na._b", ["2: a._b"]),
        ("from kafka import KafkaConsumer\nself._consumer.poll(); record._asdict(); a.__doc__", []),
        ("a._b", []),
    ],
)
def test_recognises_uses_of_private_attributes(source: str, found: list[str]) -> None:
    assert list(private_uses(source)) == found
