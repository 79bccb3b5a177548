"""The events page describes every field, and its examples are valid records."""

import json
import re

import msgspec
import pytest
from jsonschema import Draft202012Validator

from docs.generate.events import events_page, fields
from docs.generate.examples import examples
from stripwatch.worker.commands.schemas import EVENTS, asyncapi, schema

SCHEMA_OF = {
    **dict.fromkeys(("result", "defect", "shadow"), "result-1"),
    **{kind: f"{kind}-1" for kind in ("coil", "acknowledgement")},
}


@pytest.mark.parametrize("name", EVENTS)
def test_every_field_of_a_schema_is_a_row_with_a_description(name: str) -> None:
    rows = {path: description for path, _, description in fields(name)}
    named = {name for definition in schema(name)["$defs"].values() for name in definition.get("properties", {})}
    assert named == {path.rpartition(".")[2] for path in rows}
    assert all(description.endswith(".") for description in rows.values())
    assert [path for path in rows if f"| `{path}` |" not in events_page()] == []


@pytest.mark.parametrize("kind", [kind for kind in examples() if kind != "frame"])
def test_an_example_has_the_headers_of_the_document(kind: str) -> None:
    stated = asyncapi()["components"]["messages"][kind]["headers"]
    Draft202012Validator(stated).validate({name: value.decode() for name, value in examples()[kind].headers})


@pytest.mark.parametrize("kind", SCHEMA_OF)
def test_an_example_is_valid_by_its_schema(kind: str) -> None:
    body = json.loads(examples()[kind].json)
    Draft202012Validator(schema(SCHEMA_OF[kind])).validate(body)
    msgspec.convert(body, EVENTS[SCHEMA_OF[kind]][1])


def test_the_example_of_a_defect_has_a_location_on_frame_and_strip() -> None:
    (defect,) = json.loads(examples()["defect"].json)["defects"]
    assert defect["box_px"]["width"] > 0
    assert defect["strip_mm"]["start"] > 120_000


def test_every_message_has_a_section_with_topic_key_and_headers() -> None:
    sections = re.split(r"^## ", events_page(), flags=re.MULTILINE)[2:]
    messages = asyncapi()["components"]["messages"]
    assert len(sections) == len(messages) - 1
    for section in sections:
        assert "| topic | `inspection." in section
        assert "| key | " in section
        assert "```text" in section
