"""The glossary explains the terms that the documentation uses."""

import re

import pytest

from docs.generate.pages import REFERENCE

TERMS = """
    at-least-once backbone backpressure batch bundle calibration camera clean coil "consumer group" cut defect
    "defect event" "dense head" drain drift epoch "evidence image" exactly-once flag fold frame "gap head"
    "golden frames" head header image "in flight" lag lane line linger liveness location manifest mm_per_px
    "model reload" offset partition prediction promote readiness rebalance recall record "reference statistics"
    registry reject replay result "review frame" "roll back" run score self-test shadow strip "strip position"
    threshold unsure verdict worker
"""


def entries() -> dict[str, str]:
    """Definition of each entry, by its first term."""
    (body,) = re.findall(r"```{glossary}\n(.*?)\n```", (REFERENCE / "glossary.md").read_text(), re.DOTALL)
    found = {}
    for entry in body.split("\n\n"):
        terms = [line for line in entry.split("\n") if not line.startswith("  ")]
        found[terms[0]] = " ".join(line.strip() for line in entry.split("\n")[len(terms) :])
    return found


@pytest.mark.parametrize("term", re.findall(r'"(.+?)"|(\S+)', TERMS), ids=lambda pair: "".join(pair))
def test_a_term_is_explained(term: tuple[str, str]) -> None:
    assert "".join(term) in entries()


def test_every_entry_has_a_definition_and_entries_are_in_order() -> None:
    found = entries()
    assert all(len(definition) > 20 and definition.endswith(".") for definition in found.values())
    assert list(found) == sorted(found, key=str.lower)
