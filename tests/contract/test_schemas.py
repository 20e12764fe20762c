"""The schema files and the AsyncAPI document: complete, described, and about the topics that exist."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

import stream_app
from stream_app import contract
from stream_app.contract import dead_letters
from stream_app.kafka.topics import Topics
from stream_app.records import EnrichedReview, Position

FOLDER = contract.schema_folder()
NAMES = [
    "review.v1",
    "enriched-review.v1",
    "alert.v1",
    "alert-delivery.v1",
    "product-summary.v1",
    "product-signals.v1",
    "receivers.v1",
]
DOCUMENT: dict[str, Any] = yaml.safe_load((FOLDER / "asyncapi.yaml").read_text(encoding="utf-8"))


def fields(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field that a schema names, with its path."""
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}", field
        yield from fields(field, f"{path}.{name}")


@pytest.mark.parametrize("name", NAMES)
def test_schema_is_draft_2020_12_and_describes_every_field(name: str) -> None:
    """A field without words is guessed at by whoever reads it."""
    schema = contract.schema(name)

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema_rs.meta.validate(schema)
    assert [path for path, field in fields(schema, name) if not field.get("description")] == []


def test_every_schema_file_is_tested_here() -> None:
    """A new one is not forgotten."""
    assert {path.name for path in FOLDER.glob("*.schema.json")} == {f"{name}.schema.json" for name in NAMES}


def references(node: Any) -> Iterator[str]:
    """Every $ref of a document."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_asyncapi_refers_to_what_is_there() -> None:
    """Within the document, and to the schema files next to it."""
    for reference in references(DOCUMENT):
        if reference.startswith("#/"):
            node = DOCUMENT
            for part in reference[2:].split("/"):
                node = node[part]
        else:
            assert (FOLDER / reference).is_file(), reference


def test_asyncapi_describes_the_topics_as_they_are_created() -> None:
    """Names and configurations."""
    topics = Topics()
    described = {channel["address"]: channel["bindings"]["kafka"] for channel in DOCUMENT["channels"].values()}

    assert set(described) == set(topics.all())
    for name, config in topics.configs().items():
        stated = described[name]["topicConfiguration"]
        assert {key: ",".join(v) if isinstance(v, list) else str(v) for key, v in stated.items()} == config
        assert described[name]["topic"] == name


def test_asyncapi_describes_the_headers_that_are_sent() -> None:
    """All of them, by their names."""
    headers = DOCUMENT["components"]["schemas"]
    sent = contract.enriched_message("t", EnrichedReview("created", "p", "r", 0, 1, 0, 0, Position("t", 0, 0))).headers
    errors = {value for name, value in vars(dead_letters).items() if name.startswith("HEADER_ERROR_")}

    assert set(headers["cloudEvent"]["properties"]) == set(headers["cloudEvent"]["required"]) == {n for n, _ in sent}
    assert set(headers["errorHeaders"]["required"]) == errors
    ours = {contract.HEADER_NAME, contract.HEADER_DROPPED, contract.HEADER_RECEIVER}
    assert set(headers["errorHeaders"]["properties"]) == errors | ours
    for name, value in sent:
        stated = headers["cloudEvent"]["properties"][name]
        assert value.decode() == stated.get("const", value.decode())


def reasons_in_the_code() -> set[str]:
    """The first argument of _Invalid, and the second of Rejected, wherever they are words."""
    package = Path(next(iter(stream_app.__path__)))
    found = set()
    for path in [*package.glob("contract/*.py"), *package.glob("roles/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                at = {"_Invalid": 0, "Rejected": 1}.get(node.func.id)
                reason = node.args[at] if at is not None and len(node.args) > at else None
                if isinstance(reason, ast.Constant) and isinstance(reason.value, str):
                    found.add(reason.value)
    return found


def test_asyncapi_names_every_reason() -> None:
    """People build dashboards on them."""
    headers = DOCUMENT["components"]["schemas"]["errorHeaders"]["properties"]
    named = set(headers[contract.HEADER_ERROR_REASON]["enum"])
    examples = set(json.loads((FOLDER / "examples" / "invalid" / "reasons.json").read_text()).values())

    found = reasons_in_the_code()
    assert "tombstone" in found
    assert found | examples <= named


def test_asyncapi_lists_the_reasons_in_order() -> None:
    """`dead-letter list --reason` knows what is in REASONS."""
    headers = DOCUMENT["components"]["schemas"]["errorHeaders"]["properties"]
    reasons = headers[contract.HEADER_ERROR_REASON]["enum"]
    assert tuple(reasons) == contract.REASONS
