"""Which records an erasure removes."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from stream_app import contract
from stream_app.erasure import Erasure
from stream_app.records import RawRecord
from stream_app.settings import Settings

EXAMPLE = orjson.loads((contract.schema_folder() / "examples/valid/alert.negative_spike.json").read_bytes())


class Silent:
    """ports.Progress."""

    def say(self, what: str) -> None:
        return

    def advanced(self, step: str, done: int, total: int) -> None:
        return


def drops(alert: Any, *erased: tuple[str, str], topic: str = "reviews.alerts") -> bool:
    value = alert if isinstance(alert, bytes | None) else orjson.dumps(alert)
    erasure = Erasure(Settings(_env_file=None), erased, Silent())
    return erasure._drops(topic, RawRecord(topic, 0, 0, 0, b"p", value))


def test_alert_about_a_product_that_quotes_an_erased_review_is_erased() -> None:
    assert drops(EXAMPLE, ("charger-volt65", "charger-031"))
    assert not drops(EXAMPLE, ("charger-volt65", "charger-099"), ("kettle-k17", "charger-031"))


def test_alert_that_could_not_be_delivered_is_erased_as_well() -> None:
    """The dead letter of `notify` is the whole alert."""
    assert drops(EXAMPLE, ("charger-volt65", "charger-031"), topic="reviews.dead-letter")
    assert not drops(EXAMPLE, ("charger-volt65", "charger-099"), topic="reviews.dead-letter")


@pytest.mark.parametrize(
    "alert",
    [
        None,
        b"",
        b"[]",
        b"no json",
        {"quotes": 7},
        {"product_id": 7, "quotes": []},
        EXAMPLE | {"quotes": [7, {"review_id": 7}]},
    ],
)
def test_what_is_no_alert_about_a_product_quotes_nobody(alert: Any) -> None:
    assert not drops(alert, ("charger-volt65", "charger-031"))
