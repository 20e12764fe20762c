"""The schemas against those that were published before: programs of other teams hold to these.

``published/`` holds each schema as it was last released. A release that adds something copies it there; a change that
fails here needs a new version of the schema (``.v2``) next to the old one.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stream_app import contract
from tests.contract.compatibility import breaks_readers, breaks_writers, unknown_keywords

PUBLISHED = {
    path.name.removesuffix(".schema.json"): json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parent / "published").glob("*.schema.json"))
}
OURS = ["enriched-review.v1", "alert.v1", "alert-delivery.v1", "product-summary.v1", "product-signals.v1"]
OF_FILES = {"receivers.v1"}
"""What people write for us: no other program reads it."""


@pytest.mark.parametrize("name", OURS)
def test_what_we_publish_breaks_no_reader_of_the_version_before(name: str) -> None:
    """Other teams read these topics and parse by what was published."""
    assert breaks_readers(PUBLISHED[name], contract.schema(name)) == []


def test_what_shops_send_is_accepted_as_before() -> None:
    """A shop that validated what it sends by the version before is not refused."""
    assert breaks_writers(PUBLISHED["review.v1"], contract.schema("review.v1")) == []


def test_every_schema_was_published_and_is_compared_in_full() -> None:
    """A keyword that the comparison does not know could break readers unseen."""
    assert set(PUBLISHED) == {path.name.removesuffix(".schema.json") for path in _files()} - OF_FILES
    assert set().union(*(unknown_keywords(contract.schema(name)) for name in PUBLISHED)) == set()


def _files() -> list[Path]:
    return list(contract.schema_folder().glob("*.schema.json"))


def _changed(name: str, change: Callable[[dict[str, Any]], object]) -> list[str]:
    new = copy.deepcopy(PUBLISHED[name])
    change(new)
    compare = breaks_writers if name == "review.v1" else breaks_readers
    return compare(PUBLISHED[name], new)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("alert.v1", lambda new: new["properties"].pop("sentence"), "sentence is gone"),
        ("alert.v1", lambda new: new["required"].remove("product_id"), "product_id may be missing"),
        ("alert.v1", lambda new: new["properties"]["product_id"].update(type=["string", "null"]), "type may be null"),
        ("alert.v1", lambda new: new["properties"]["product_id"].update(maxLength=500), "maxLength 128 became 500"),
        ("alert.v1", lambda new: new["properties"]["created_at"].pop("format"), "format 'date-time' became None"),
        ("alert.v1", lambda new: new["properties"]["schema"].update(const="alert.v2"), "const"),
        ("enriched-review.v1", lambda new: new["properties"]["rating"].update(maximum=10), "maximum 5 became 10"),
        ("enriched-review.v1", lambda new: new["properties"]["input"]["properties"].pop("offset"), ".input: offset"),
        ("review.v1", lambda new: new["required"].append("rating"), "rating became required"),
        ("review.v1", lambda new: new["properties"]["review_id"].update(maxLength=64), "maxLength"),
        ("review.v1", lambda new: new["properties"]["rating"].update(type="integer"), "type may be null"),
        ("review.v1", lambda new: new.update(additionalProperties=False), "unknown fields are refused"),
        ("review.v1", lambda new: new.pop("if"), "the condition"),
    ],
)
def test_breaking_change_is_named(name: str, change: Callable[[dict[str, Any]], object], said: str) -> None:
    """Each kind of change that readers or shops would notice."""
    [difference] = _changed(name, change)
    assert said in difference


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("alert.v1", lambda new: new["properties"].update(added={"type": "string"})),
        ("alert.v1", lambda new: new["properties"]["rule"]["enum"].append("another")),
        ("alert.v1", lambda new: new["properties"]["product_id"].update(maxLength=64)),
        ("review.v1", lambda new: new["properties"].update(added={"type": "string"})),
        ("review.v1", lambda new: new["properties"]["review_id"].update(maxLength=500)),
    ],
)
def test_change_that_breaks_no_reader_passes(name: str, change: Callable[[dict[str, Any]], object]) -> None:
    """Added fields, enum values with a stated fall-back, narrower output, wider input."""
    assert _changed(name, change) == []
