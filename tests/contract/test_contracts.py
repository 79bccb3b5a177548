"""Contracts with downstream systems: schemas match the code, golden events stay readable, and the example runs."""

import json
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from kafka import KafkaProducer

from stripwatch.worker.commands.schemas import EVENTS, as_text, asyncapi, schema
from stripwatch.worker.common.errors import FrameRejected, RejectReason
from stripwatch.worker.contracts.events import Result
from stripwatch.worker.contracts.frame_headers import event_headers
from stripwatch.worker.contracts.replay_mark import replay_mark_headers
from stripwatch.worker.pipeline.inspect.event_builder import EventBuilder
from stripwatch.worker.pipeline.inspect.outcomes import RejectedFrame
from stripwatch.worker.pipeline.produce.record_builder import reject_headers, review_headers
from tests.contract.made import GOLDEN, made_events
from tests.contract.rules import broken
from tests.frames import make_frame
from tests.models import make_model
from tests.tiny import encode_frame

CONTRACTS = Path(__file__).parents[2] / "deploy" / "contracts"
AGAIN = "run: stripwatch schemas --out deploy/contracts"
GOLDEN_FILES = sorted(GOLDEN.glob("*.json"))
RELEASED = sorted((CONTRACTS / "released").glob("*.schema.json"))


def load(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def contains(whole: Any, part: Any) -> bool:
    """Return whether every field of the part is in the whole, with the same value."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and contains(whole[key], part[key]) for key in part)
    if isinstance(part, list):
        return isinstance(whole, list) and len(whole) == len(part) and all(map(contains, whole, part))
    return bool(whole == part)


@pytest.mark.parametrize("name", EVENTS)
def test_the_schemas_match_the_code(name: str) -> None:
    assert (CONTRACTS / f"{name}.schema.json").read_text() == as_text(schema(name)), AGAIN


def test_the_asyncapi_document_matches_the_code() -> None:
    assert (CONTRACTS / "asyncapi.json").read_text() == as_text(asyncapi()), AGAIN


def test_every_reference_can_be_resolved() -> None:
    document = asyncapi()

    def follow(value: Any) -> None:
        if isinstance(value, dict):
            if "$ref" in value:
                place: Any = document
                for part in value["$ref"].removeprefix("#/").split("/"):
                    place = place[part]
            for inner in value.values():
                follow(inner)
        if isinstance(value, list):
            for inner in value:
                follow(inner)

    follow(document)


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.name)
def test_released_schemas_stay_compatible(path: Path) -> None:
    assert broken(load(path), schema(path.name.removesuffix(".schema.json"))) == []


def test_each_kind_of_event_has_a_released_schema() -> None:
    assert [path.name.removesuffix(".schema.json") for path in RELEASED] == sorted(EVENTS)


@pytest.mark.parametrize("path", GOLDEN_FILES, ids=lambda path: path.stem)
def test_golden_events_are_valid_and_readable(path: Path) -> None:
    kind = "-".join(path.stem.split("-")[:2])
    event = load(path)
    for document in (schema(kind), load(CONTRACTS / "released" / f"{kind}.schema.json")):
        Draft202012Validator(document).validate(event)
    msgspec.convert(event, EVENTS[kind][1])


@pytest.mark.parametrize("path", GOLDEN_FILES, ids=lambda path: path.stem)
def test_the_code_still_writes_the_golden_events(path: Path) -> None:
    assert contains(json.loads(msgspec.json.encode(made_events()[path.stem])), load(path))


def test_the_headers_match_the_document() -> None:
    frame = make_frame(5, coil="C1", line="/p/l", strip_position_mm=7, strip_direction="reverse")
    reject = EventBuilder({}).reject(
        RejectedFrame(frame, make_model(), FrameRejected(RejectReason.EMPTY, "nothing in it"))
    )
    sent = {kind: event_headers(frame, kind) for kind in ("result", "defect", "shadow", "evidence")}
    sent["reject"] = reject_headers(reject, frame, 0)
    result = made_events()["result-1-clean"]
    assert isinstance(result, Result)
    sent["review"] = review_headers(result, replace(frame, encoded=encode_frame(0.5)))
    for kind, headers in sent.items():
        stated = asyncapi()["components"]["messages"][kind]["headers"]
        found = {name: value.decode() for name, value in headers}
        Draft202012Validator(stated).validate(found)
        assert set(found) <= set(stated["properties"])


def test_a_replay_marker_is_a_message_of_the_rejects_topic() -> None:
    document = asyncapi()
    assert set(document["channels"]["reject"]["messages"]) == {"reject", "replay_mark"}
    stated = document["components"]["messages"]["replay_mark"]
    found = {name: value.decode() for name, value in replay_mark_headers("an-id")}
    Draft202012Validator(stated["headers"]).validate(found)
    assert set(found) == set(stated["headers"]["properties"])
    Draft202012Validator(stated["payload"]).validate("")
    assert not Draft202012Validator(document["components"]["messages"]["reject"]["headers"]).is_valid(found)
    assert [document["operations"][name]["messages"] for name in ("send_reject", "send_replay_mark")] == [
        [{"$ref": "#/channels/reject/messages/reject"}],
        [{"$ref": "#/channels/reject/messages/replay_mark"}],
    ]


def _gone(new: dict[str, Any]) -> None:
    del new["$defs"]["FrameInfo"]["properties"]["coil"]


def _renamed_kind(new: dict[str, Any]) -> None:
    new["$defs"]["StripSpan"]["properties"]["start"] = {"type": "number"}


def _more_values(new: dict[str, Any]) -> None:
    new["$defs"]["Result"]["properties"]["state"]["enum"].append("guessed")


def _null_now(new: dict[str, Any]) -> None:
    new["$defs"]["Defect"]["properties"]["score"] = {"anyOf": [{"type": "number"}, {"type": "null"}]}


def _maybe_absent(new: dict[str, Any]) -> None:
    new["$defs"]["Result"]["required"].remove("verdict")


@pytest.mark.parametrize("change", [_gone, _renamed_kind, _more_values, _null_now, _maybe_absent])
def test_a_changed_or_removed_field_is_a_breaking_change(change: Any) -> None:
    new = deepcopy(schema("result-1"))
    change(new)
    assert broken(schema("result-1"), new)


def test_an_added_field_is_not_a_breaking_change() -> None:
    new = deepcopy(schema("result-1"))
    new["$defs"]["FrameInfo"]["properties"]["temperature"] = {"type": "number"}
    new["$defs"]["FrameInfo"]["required"].append("temperature")
    assert broken(schema("result-1"), new) == []


def test_the_example_handles_a_repeated_defect_event_once(line_broker: str) -> None:
    event = (GOLDEN / "result-1-defect.json").read_bytes()
    with KafkaProducer(bootstrap_servers=line_broker) as producer:
        for ce_id in (b"a", b"a", b"b"):
            producer.send("inspection.defects", event, key=b"top-1", headers=[("ce_id", ce_id)], partition=0).get(30)
    command = [sys.executable, str(CONTRACTS / "read_defects.py"), line_broker]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        said = [process.stdout.readline() for _ in range(2)]
        process.kill()
    assert said == ["C4711 top-1 pits {'start': 120000, 'end': 120800}\n"] * 2
