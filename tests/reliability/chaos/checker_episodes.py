"""Says which alerts about products cannot be: that an episode alarmed twice, or ended without having begun.

Which episodes there are depends on the view's states on the way, so none is expected; shares no code with the product.

    once       of a product and rule (and aspect) no second episode alarms within the hours of the first, unless that
               had recovered; the same alert may come again after a crash
    begun      what recovered had been published as an alert before
"""

from __future__ import annotations

from collections.abc import Container

from tests.reliability.chaos.published import Published

OF_PRODUCTS = ("negative_spike", "rating_drop", "safety_cluster")


def is_about_a_product(alert_id: str) -> bool:
    """By its id, whose first part is the rule, or that and an aspect: negative_spike:quality|…."""
    rule = alert_id.split("|")[0]
    return rule == "recovered" or rule.partition(":")[0] in OF_PRODUCTS


def wrong_episodes(published: Published, products: Container[str]) -> list[str]:
    """What is wrong with the alerts about these products, in words."""
    wrong = []
    ends: dict[tuple[str, str], tuple[str, str]] = {}  # what goes on: its alert, the end of its hours
    for alert_id, raised in published.alerts.items():
        if not is_about_a_product(alert_id) or raised[0].product_id not in products:
            continue
        name, product, *rest = alert_id.split("|")
        if name == "recovered":
            of_what, hour = rest
            if f"{of_what}|{product}|{hour}" not in published.alerts:
                wrong.append(f"alert {alert_id} was published, and none that it had begun")
            ends.pop((product, of_what), None)
            continue
        before, end = ends.get((product, name), ("", ""))
        if raised[0].begins_at and raised[0].begins_at < end:
            wrong.append(f"alert {alert_id} was published in the hours of {before}")
        ends[product, name] = alert_id, raised[0].ends_at
    return wrong
