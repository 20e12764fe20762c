"""A rebuilt view takes over on a cluster: one hash tells, and the old keys lie on every node."""

from __future__ import annotations

import pytest

from stream_app.settings import Settings
from stream_app.store.current import CurrentView
from stream_app.store.generations import Generations
from stream_app.store.keys import Keys
from tests.behaviour.enriched import NOW_MS, enriched
from tests.behaviour.running import Run
from tests.integration.store.conftest import NAMESPACE, ORIGIN, Opener
from tests.reliability.testbed.valkey_cluster import ValkeyCluster
from tests.reliability.testbed.valkeys import client_of

pytestmark = pytest.mark.store
PRODUCTS = [f"p{n}" for n in range(40)]


def test_readers_follow_the_switch_and_the_old_keys_go_from_every_node(
    run: Run, open_store: Opener, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with ValkeyCluster(tmp_path_factory.mktemp("cluster")) as cluster:
        settings = Settings(_env_file=None, redis=cluster.url, redis_cluster=True)
        generations, view = Generations.from_settings(settings), CurrentView.from_settings(settings)
        for number in (1, 2):
            store = open_store(cluster.url, redis_cluster=True, generation=number)
            run(store.apply([enriched("r", product_id) for product_id in PRODUCTS], NOW_MS))
        assert run(generations.claim("me", 60_000)).holder == "me"
        run(generations.begin(2, ORIGIN))
        assert run(generations.switch(1, 2))

        assert run(drop(generations, 1)) > 4 * len(PRODUCTS)

        for shard in range(3):
            with client_of(cluster.master(shard)) as master:
                assert list(master.scan_iter(Keys(NAMESPACE, 1).all)) == []
                assert list(master.scan_iter(Keys(NAMESPACE, 2).all))
        assert None not in run(view.read(PRODUCTS, NOW_MS))
        assert view.generation == 2
        run(view.close())
        run(generations.close())


async def drop(generations: Generations, number: int) -> int:
    return sum([count async for count in generations.drop(number)])
