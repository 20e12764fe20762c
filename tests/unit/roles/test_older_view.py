"""Which events of the log are looked up in a view that may be an older one."""

from __future__ import annotations

import orjson
import pytest

from stream_app import contract
from stream_app.records import HEADER_COPY_OF, RawRecord
from stream_app.roles import older_view
from stream_app.settings import Settings
from tests.behaviour.enriched import enriched


def copy_of(offset: int, review_id: str, *, at: int) -> RawRecord:
    message = contract.enriched_message("reviews.enriched", enriched(review_id))
    headers = ((HEADER_COPY_OF, f"0/{offset}".encode()),)
    return RawRecord("reviews.enriched", 0, at, 0, message.key, message.value, headers)


def test_copies_of_what_was_passed_before_are_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """`erase` copies what `summarize` rejected, too, which no view holds."""
    records = [copy_of(3, "rejected", at=10), copy_of(7, "applied later", at=11)]
    assert all(orjson.loads(one.value or b"") for one in records)
    monkeypatch.setattr(older_view, "end_offsets", lambda *_: {0: 12})
    monkeypatch.setattr(older_view, "read_to_end", lambda *_: iter(records))

    found = older_view._events(Settings(_env_file=None), {0: 5}, {0: 12})

    assert found["p"].keys() == {"applied later"}
