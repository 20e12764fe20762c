"""The checker of deliveries finds what receivers lack, or got under a wrong name: each test breaks one thing."""

from __future__ import annotations

import pytest

from tests.reliability.chaos.checker_deliveries import check_deliveries, latest_steady, missing_refs
from tests.reliability.chaos.published import Raised
from tests.reliability.testbed.receivers import SHAKY, STEADY, Delivery

ALERTS = {
    "negative_review|p|1": [Raised("p", 0, 0, 100.0), Raised("p", 0, 1, 101.0)],
    "safety|p|2": [Raised("p", 0, 2, 102.0)],
}
IN_ORDER = [
    Delivery(receiver, at, f"{receiver}-{number}", (ref,), True)
    for receiver in (STEADY, SHAKY)
    for number, (at, ref) in enumerate(
        [
            (100.5, ("negative_review|p|1", "info")),
            (101.5, ("negative_review|p|1", "warning")),
            (103.0, ("safety|p|2", "critical")),
        ]
    )
]


def test_nothing_is_said_of_deliveries_in_order() -> None:
    """A message may come again, and one of less severity need not."""
    again = [IN_ORDER[2]._replace(at=104.0, taken=False), *IN_ORDER[1:]]

    for given in (IN_ORDER, again):
        assert check_deliveries(ALERTS, given, []).differences == []
    assert latest_steady(ALERTS, IN_ORDER, 100.0) == 1.0
    assert latest_steady(ALERTS, IN_ORDER, 200.0) == 0.0


@pytest.mark.parametrize("receiver", [STEADY, SHAKY])
@pytest.mark.parametrize("is_refused", [True, False])
def test_alert_that_a_receiver_did_not_take_is_lost(receiver: str, is_refused: bool) -> None:
    last = next(one for one in IN_ORDER[::-1] if one.receiver == receiver)
    given = [one for one in IN_ORDER if one is not last] + [last._replace(taken=False)] * is_refused

    verdict = check_deliveries(ALERTS, given, [])
    assert verdict.lost == [f"alert ('safety|p|2', 'critical') did not reach {receiver}"]
    lost = missing_refs(ALERTS, [one for one in given if one.receiver == receiver])
    assert check_deliveries(ALERTS, given, [], lost).differences == []


@pytest.mark.parametrize(
    ("added", "complaint"),
    [
        (IN_ORDER[2]._replace(message_id="other"), "steady: alert safety|p|2 came under 2 ids"),
        (IN_ORDER[2]._replace(message_id="steady-0"), "steady: steady-0 names 2 messages"),
        (
            IN_ORDER[2]._replace(message_id="x", alerts=(("a", "info"),)),
            "steady: alert a was delivered as info, and not",
        ),
    ],
)
def test_message_under_a_wrong_name_is_found(added: Delivery, complaint: str) -> None:
    assert any(complaint in one for one in check_deliveries(ALERTS, [*IN_ORDER, added], []).wrong)


def test_redirect_that_was_followed_is_found() -> None:
    assert check_deliveries(ALERTS, IN_ORDER, ["/elsewhere"]).wrong == [
        "a redirect to another host was followed: /elsewhere"
    ]
