"""Two installations that share servers and differ in a name alone."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.reliability.chaos.checker import product_of
from tests.reliability.chaos.checker_view import look_up
from tests.reliability.chaos.faults.table import NoEffect, fault, load_is_over, must, until
from tests.reliability.chaos.installation import installation
from tests.reliability.chaos.workload import workload
from tests.reliability.testbed.testbed import Testbed

_SMALL_LOAD = 120


@fault("installations", "two on one Redis, told apart by topic_prefix", 3.0, holds_up=False, alone=True)
def _by_prefix(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    """Both have the same products; each counts its own reviews of them."""
    ours = [one for one in testbed.sent_so_far() if one.fields and not one.is_raw]
    settings = testbed.settings_of(f"d{chance.getrandbits(32):x}.")
    with installation(testbed, "second", settings) as other:
        other.workers.start()
        hot = next(product_of(one) for one in ours if product_of(one).endswith("-hot"))
        load = workload(hot.removesuffix("-hot"), chance.getrandbits(16), _SMALL_LOAD)
        if not {product_of(one) for one in load if one.fields} & {product_of(one) for one in ours}:
            raise NoEffect("the two installations have no product in common")
        other.send(load)
        yield
        for difference in other.checker().differences:
            testbed.found_wrong(f"the second installation: {difference}")


@fault("installations", "two on one Redis, told apart by app_name", 1.0, holds_up=False, alone=True)
def _by_app_name(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    """The second reads the same topics: it knows nothing before its own summarize has read them, then everything.

    It writes to the same topics too: of two views only one may raise alerts about products.
    """
    own = {"app_name": f"second-{chance.getrandbits(32):x}", "product_alerts": False}
    settings = testbed.settings_of(testbed.settings.topic_prefix, **own)
    products = sorted({product_of(one) for one in testbed.sent_so_far() if one.fields})
    with installation(testbed, "other-app", settings, sizes={"api": 1}, with_topics=False) as other:
        other.workers.start()
        must(testbed, lambda: look_up(testbed.api, products), 10.0, "the first installation knows its products")
        if found := look_up(other.workers.api, products):
            testbed.found_wrong(f"the second installation shows {len(found)} products of the first")
        yield
        until(lambda: load_is_over(testbed), 20.0, "the load did not end")
        other.sent += testbed.sent_so_far()
        other.workers.sizes = {"api": 1, "summarize": 1}
        must(
            testbed,
            lambda: not other.check_view().differences,
            180.0,
            "the second installation shows what its own log says",
        )
