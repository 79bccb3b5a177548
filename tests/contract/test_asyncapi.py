"""Validate asyncapi.json against the JSON Schema of AsyncAPI 3.0, which its authors publish as an npm package."""

import hashlib
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from stripwatch.worker.commands.schemas import EVENTS, asyncapi, schema
from tests.deploy.tools import require, skip_or_fail

PACKAGE, ARCHIVE = "@asyncapi/specs@6.11.1", "asyncapi-specs-6.11.1.tgz"
ARCHIVE_SHA256 = "01af8744dc33c0c7eb2e908f6a955319ee58b70ecadc9387d1aeb16c0cd28928"
CACHE = Path(__file__).parents[2] / ".cache"
FETCH_S_MAX = 120


@pytest.fixture(scope="module")
def published() -> Draft7Validator:
    archive = _fetched()
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == ARCHIVE_SHA256
    with tarfile.open(archive) as files:
        document = files.extractfile("package/schemas/3.0.0.json")
        assert document
        return Draft7Validator(json.load(document))


def _fetched() -> Path:
    """Return the archive of the package (0.4 MB), which is downloaded once."""
    archive = CACHE / ARCHIVE
    if archive.exists():
        return archive
    npm = require("npm", "install Node.js with npm, which downloads the schema of AsyncAPI")
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as part:
        command = [npm, "pack", "--silent", PACKAGE]
        done = subprocess.run(command, cwd=part, capture_output=True, text=True, timeout=FETCH_S_MAX)
        if done.returncode != 0:
            skip_or_fail(f"npm could not download {PACKAGE}: {done.stderr.strip()[:500]}")
        Path(part, ARCHIVE).rename(archive)
    return archive


def test_the_document_is_valid_asyncapi(published: Draft7Validator) -> None:
    assert [(error.json_path, error.message) for error in published.iter_errors(asyncapi())] == []


def _a_message_without_a_reference(document: dict[str, Any]) -> None:
    document["operations"]["send_result"]["messages"] = ["result"]


def _an_unknown_field(document: dict[str, Any]) -> None:
    document["channels"]["result"]["adress"] = "inspection.results"


def _another_action(document: dict[str, Any]) -> None:
    document["operations"]["receive_frame"]["action"] = "consume"


def _headers_of_no_type(document: dict[str, Any]) -> None:
    document["components"]["messages"]["coil"]["headers"]["type"] = "header"


@pytest.mark.parametrize(
    "change", [_a_message_without_a_reference, _an_unknown_field, _another_action, _headers_of_no_type]
)
def test_an_invalid_document_fails(published: Draft7Validator, change: Callable[[dict[str, Any]], None]) -> None:
    document = deepcopy(asyncapi())
    change(document)
    assert not published.is_valid(document)


@pytest.mark.parametrize("name", EVENTS)
def test_each_schema_is_a_valid_json_schema(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))
