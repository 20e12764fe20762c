"""When failures of records are no longer the records' fault."""

from __future__ import annotations

import pytest

from stream_app.steps.failure_share import FailureShare


@pytest.mark.parametrize(
    ("outcomes", "too_many"),
    [
        ("F" * 19, False),
        ("F" * 20, True),
        ("." * 200 + "F" * 20, False),
        ("." * 200 + "F" * 21, True),
        ("." * 170 + "F" * 20, True),
        ("F" * 15 + "." * 200 + "F" * 15, False),
        ("F" * 15 + "." * 170 + "F" * 15, True),
        (("." * 9 + "F") * 1000, False),
        (("." * 8 + "F") * 1000, True),
    ],
)
def test_share_of_recent_records_decides(outcomes: str, too_many: bool) -> None:
    """At least 20, and more than a tenth of the last 200."""
    share = FailureShare()
    found = []
    for outcome in outcomes:
        if outcome == "F":
            found.append(share.failed(1))
        else:
            share.passed(1)

    assert any(found) == too_many


def test_many_at_once_count_as_many() -> None:
    share = FailureShare()
    share.passed(1_000_000)

    assert not share.failed(20)
    assert share.failed(1_000)
