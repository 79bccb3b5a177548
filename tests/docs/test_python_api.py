"""The page of the Python API lists every public name and nothing else."""

import re

import stripwatch
import stripwatch.export
import stripwatch.training
from docs.generate.pages import REFERENCE

PAGE = (REFERENCE / "python-api.md").read_text()


def test_every_public_name_has_an_entry() -> None:
    listed: dict[str, set[str]] = {}
    for part in re.split(r"\.\. py:(?:current)?module:: ", PAGE)[1:]:
        module, _, rest = part.partition("\n")
        names = re.findall(r"^\.\. (?:autofunction|autoclass|autoexception|py:data):: (\w+)$", rest, re.MULTILINE)
        listed.setdefault(module, set()).update(names)
    assert listed == {
        "stripwatch": set(stripwatch.__all__),
        "stripwatch.training": set(stripwatch.training.__all__),
        "stripwatch.export": set(stripwatch.export.__all__),
    }
