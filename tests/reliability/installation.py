"""A further installation on the servers of a bed, with topics, processes and a small workload of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from urllib.error import URLError

from stream_app.kafka.admin import create_topics
from stream_app.settings import Settings
from tests.reliability.bed import Bed
from tests.reliability.crew import Crew
from tests.reliability.judge import Verdict, judge_identity, judge_topics
from tests.reliability.judge_view import judge_view
from tests.reliability.published import Published, Reader, topics_of
from tests.reliability.shop import Shop
from tests.reliability.workload import Sent

_CATCH_UP_SECONDS = 40.0
_ACK_SECONDS = 20.0
_SMALL = {"enrich": 1, "summarize": 1, "api": 1}


@dataclass(slots=True)
class Installation:
    """Made by ``installation``."""

    settings: Settings
    crew: Crew
    shop: Shop
    sent: list[Sent] = field(default_factory=list)

    def send(self, messages: Sequence[Sent]) -> None:
        for one in messages:
            self.sent.append(one)
            self.shop.send(one)

    def judge(self) -> Verdict:
        """As a round is judged; waits while anything is missing, for a while that is long enough."""
        if not self.shop.flush(_ACK_SECONDS):
            return Verdict(lost=["the broker did not acknowledge the workload of the other installation"])
        prefix = self.settings.topic_prefix
        reader, published = Reader(self.settings.brokers, topics_of(prefix)), Published(prefix)
        until = time.monotonic() + _CATCH_UP_SECONDS
        try:
            while True:
                published.take(reader.read())
                verdict = judge_topics(self.sent, published, late_firsts_allowed=True)
                verdict.add(judge_identity(published))
                verdict.add(self.judge_view())
                if not verdict.differences or time.monotonic() > until:
                    return verdict
                time.sleep(0.3)
        finally:
            reader.close()

    def judge_view(self) -> Verdict:
        try:
            return judge_view(self.sent, self.crew.api)
        except URLError as error:
            return Verdict(lost=[f"the view cannot be read: {error}"])


@contextmanager
def installation(
    bed: Bed, name: str, settings: Settings, *, sizes: Mapping[str, int] = _SMALL, with_topics: bool = True
) -> Iterator[Installation]:
    """Its processes are not started: ``crew.start()`` does that."""
    with ExitStack() as stack:
        if with_topics:
            create_topics(settings)
        shop = Shop(settings.brokers, settings.topic_prefix)
        stack.callback(shop.close)
        crew = Crew(bed.folder / name, bed.of_workers(settings), bed.troubles.folder, sizes)
        stack.callback(crew.stop)
        yield Installation(settings, crew, shop)
