"""Every field of every event has a description, which the JSON Schemas and the reference show."""

from typing import Any

import pytest

from stripwatch.worker.commands.schemas import EVENTS, asyncapi, schema


def undescribed(definitions: dict[str, Any]) -> list[str]:
    fields = [(f"{kind}.{name}", field) for kind in definitions for name, field in _properties(definitions[kind])]
    assert fields
    return [name for name, field in fields if not field.get("description", "").endswith(".")]


def _properties(definition: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return list(definition.get("properties", {}).items())


@pytest.mark.parametrize("name", EVENTS)
def test_every_field_of_an_event_has_a_description(name: str) -> None:
    assert undescribed(schema(name)["$defs"]) == []


def test_every_header_and_key_of_a_message_has_a_description() -> None:
    messages = asyncapi()["components"]["messages"]
    assert undescribed({name: message["headers"] for name, message in messages.items()}) == []
    assert [name for name, message in messages.items() if not message["bindings"]["kafka"]["key"]["description"]] == []
