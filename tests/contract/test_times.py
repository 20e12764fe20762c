"""RFC 3339 on the wire, milliseconds inside."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.contract import from_rfc3339, to_rfc3339


@given(st.datetimes())
def test_every_moment_comes_back_to_the_millisecond(moment: datetime) -> None:
    """From the year 1, which .NET sends for "no date", to 9999."""
    ms = from_rfc3339(moment.isoformat(timespec="microseconds"))

    assert from_rfc3339(to_rfc3339(ms)) == ms
    assert to_rfc3339(ms) == moment.isoformat(timespec="milliseconds") + "Z"


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1970-01-01T00:00:01Z", 1_000),
        ("1970-01-01t00:00:01z", 1_000),
        ("1970-01-01 00:00:01", 1_000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01T00:00:00.123456789Z", 123),
        ("1969-12-31T23:59:59.999Z", -1),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000),
    ],
)
def test_forms_of_rfc_3339_are_read(text: str, ms: int) -> None:
    """With zones, fractions of any length, and without a zone as UTC."""
    assert from_rfc3339(text) == ms


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-05-01",
        "20260501T100000Z",
        "2026-W18-5T10:00:00Z",
        "2026-05-01T100000+000000",
        "2026-02-30T00:00:00Z",
        "2026-05-01T25:00:00Z",
        "2026-05-01T10:00:00Zulu",
        "2026-05-01T10:00Z",
        "2026-05-01T10:00+00:00",
        "2026-05-01T10:00:00." + "0" * 1_000_000,
        "٢٠٢٦-05-01T10:00:00Z",
        "0001-01-01T00:00:00+02:00",
        "9999-12-31T23:59:59-02:00",
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    """Other forms of ISO 8601, days that do not exist, and what could not be written again."""
    with pytest.raises(ValueError) as refusal:
        from_rfc3339(text)

    assert len(str(refusal.value)) < 200, "it becomes a header of the dead letter"
