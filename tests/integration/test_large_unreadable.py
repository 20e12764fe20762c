"""Unreadable records of nearly 2 MiB in the topics that the roles of the view read, on real servers."""

from __future__ import annotations

import pytest

from stream_app import contract
from stream_app.commands.processes import Processes
from stream_app.kafka.groups import lag
from stream_app.kafka.reader import read_to_end
from stream_app.kafka.topics import MAX_MESSAGE_BYTES
from stream_app.records import Message
from tests.behaviour.enriched import enriched
from tests.integration.place import Place, alert
from tests.waiting import wait_until

MOST = MAX_MESSAGE_BYTES - 500
PART = MOST // 3


@pytest.mark.timeout(200)
def test_unreadable_records_of_nearly_2_mib_stop_neither_summarize_nor_notify(place: Place) -> None:
    """Each is in the dead letter, and what is behind it in its partition is processed."""
    reviews, alerts, good = place.topics.enriched, place.topics.alerts, alert(1)
    key = good.product_id.encode()
    place.publish(
        [
            Message(reviews, b"p", b"{" * MOST),
            contract.enriched_message(reviews, enriched("r1")),
            Message(alerts, key, b"{" * MOST),
            Message(alerts, key, b"{" * PART, (("large", b"h" * 2 * PART),)),
            Message(alerts, key, contract.encode_alert(good)),
        ]
    )

    roles = ("summarize", "notify")
    with Processes(
        place.settings, say=print, log_folder=place.folder / "logs", roles=roles, with_api=False
    ) as processes:

        def done() -> bool:
            processes.keep_running()
            return all(lag(place.of(1), role) == 0 for role in roles)

        wait_until(done, 90, f"not all was read; logs in {place.folder}")

    dead_letters = map(contract.read_dead_letter, read_to_end(place.settings, place.topics.dead_letter))
    found = {
        (one.origin and one.origin.topic, one.reason, one.dropped[0].partition(";sha256=")[0]) for one in dead_letters
    }
    assert found == {
        (alerts, "not_json", f"value;bytes={PART}"),
        (alerts, "not_json", f"value;bytes={MOST}"),
        (reviews, "not_json", f"value;bytes={MOST}"),
    }
    assert place.shown(1) == ([b"p"], [good.alert_id.encode()])
