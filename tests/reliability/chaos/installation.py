"""A second installation on the servers of a testbed, with its own topics, processes and a small workload."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from urllib.error import URLError

from stream_app.kafka.topics_admin import create_topics
from stream_app.settings import Settings
from tests.reliability.chaos.checker import Verdict, check_identity, check_topics
from tests.reliability.chaos.checker_view import check_view
from tests.reliability.chaos.published import Published, Reader, topics_of
from tests.reliability.testbed.messages import Sent
from tests.reliability.testbed.shop import Shop
from tests.reliability.testbed.testbed import Testbed
from tests.reliability.testbed.workers import Workers

_CATCH_UP_SECONDS = 40.0
_ACK_SECONDS = 20.0
_SMALL = {"enrich": 1, "summarize": 1, "api": 1}


@dataclass(slots=True)
class Installation:
    """Made by ``installation``."""

    settings: Settings
    workers: Workers
    shop: Shop
    sent: list[Sent] = field(default_factory=list)

    def send(self, messages: Sequence[Sent]) -> None:
        for one in messages:
            self.sent.append(one)
            self.shop.send(one)

    def reader(self) -> Reader:
        """Of its topics."""
        return Reader(self.settings.brokers, topics_of(self.settings.topic_prefix))

    def checker(self, reader: Reader | None = None, since: int = 0) -> Verdict:
        """Check it as a round is checked. Waits up to 40 s for what is missing.

        With a ``reader`` the messages sent before the first ``since`` are checked in the view alone: their topic was
        recreated, and what was published of them is behind the reader already, which is closed here.
        """
        if not self.shop.flush(_ACK_SECONDS):
            return Verdict(lost=["the broker did not acknowledge the workload of the other installation"])
        reader, published = reader or self.reader(), Published(self.settings.topic_prefix)
        until = time.monotonic() + _CATCH_UP_SECONDS
        try:
            while True:
                published.take(reader.read())
                verdict = check_topics(self.sent[since:], published, late_firsts_allowed=True)
                verdict.add(check_identity(published))
                verdict.add(self.check_view())
                if not verdict.differences or time.monotonic() > until:
                    return verdict
                time.sleep(0.3)
        finally:
            reader.close()

    def check_view(self) -> Verdict:
        try:
            return check_view(self.sent, self.workers.api)
        except URLError as error:
            return Verdict(lost=[f"the view cannot be read: {error}"])


@contextmanager
def installation(
    testbed: Testbed, name: str, settings: Settings, *, sizes: Mapping[str, int] = _SMALL, with_topics: bool = True
) -> Iterator[Installation]:
    """Its processes are not started: ``workers.start()`` does that."""
    with ExitStack() as stack:
        if with_topics:
            create_topics(settings)
        shop = Shop(settings.brokers, settings.topic_prefix)
        stack.callback(shop.close)
        # its alerts are not those of the round, so the receivers of the round's get none
        own = testbed.of_workers(settings).model_copy(update={"receivers_file": ""})
        workers = Workers(testbed.folder / name, own, testbed.troubles.folder, sizes)
        stack.callback(workers.stop)
        yield Installation(settings, workers, shop)
