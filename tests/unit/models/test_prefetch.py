"""One batch is prepared while another computes, and no more: the rest stays where it can still be dropped."""

from __future__ import annotations

import time

from stream_app.models.batcher import estimated_tokens
from tests.unit.models.batcher_rig import Rig, texts
from tests.waiting import wait_until


def test_no_more_than_one_batch_is_prepared_ahead_of_the_device() -> None:
    """What is tokenised is bounded, and what waits is given back when its partition goes."""
    rig = Rig()
    rig.model.gate.clear()
    rig.batcher.start()
    rig.submit(*texts(400))
    wait_until(lambda: bool(rig.started), 30, "the device did not begin")
    time_to_prepare_all = time.monotonic() + 0.5
    wait_until(lambda: time.monotonic() > time_to_prepare_all, 5, "time stands still")

    dropped = rig.batcher.drop_waiting(lambda tag: True)

    rig.model.gate.set()
    rig.results(400 - len(dropped))
    rig.batcher.stop()
    taken = texts(400)[: 400 - len(dropped)]
    # the one that is on the device, and one more; each has at most 128 tokens, estimated
    assert sum(map(estimated_tokens, taken)) <= 2 * 128
