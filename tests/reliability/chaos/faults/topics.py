"""Topics that are missing or of the wrong size, for a second installation alongside the one under load."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack

from confluent_kafka.admin import NewTopic

from stream_app.kafka.topics_admin import create_topics
from stream_app.settings import Settings
from tests.reliability.chaos.faults.table import fault, must, until
from tests.reliability.chaos.hostile import all_large
from tests.reliability.chaos.installation import Installation, installation
from tests.reliability.chaos.workload import workload
from tests.reliability.testbed.messages import DEAD_LETTER
from tests.reliability.testbed.testbed import PARTITIONS, Testbed

_ROLES = ("enrich", "summarize", "notify")
_KAFKAS_DEFAULT_BYTES = str(2**20 + 12)  # written here, since the testbed's brokers have a larger one
_REFUSAL_SECONDS = 40.0  # three processes start at once
_SMALL_LOAD = 60


def _dead_letter(what: str, *, exists: bool) -> None:
    @fault("topics", f"the dead letter {what}", 0.5, holds_up=False, alone=True)
    def body(testbed: Testbed, chance: random.Random) -> Iterator[None]:
        """Each role that writes to it refuses to start and says what to do; after that everything gets through."""
        settings = testbed.settings_of(f"d{chance.getrandbits(32):x}.")
        _create_without_dead_letter(testbed, settings, exists=exists)
        sizes = {**dict.fromkeys(_ROLES, 1), "api": 1}
        with installation(testbed, f"without-{what}", settings, sizes=sizes, with_topics=False) as other:
            _refuses(testbed, other)
            made = other.workers.run("topics", "create")
            if made.returncode:
                testbed.found_wrong(f"`topics create` ended with {made.returncode}: {made.stderr[-300:]}")
            yield
            other.workers.start()
            prefix, seed = settings.topic_prefix, chance.getrandbits(16)
            other.send([*workload(prefix, seed, _SMALL_LOAD), *all_large(prefix, seed)])
            for difference in other.checker().differences:
                testbed.found_wrong(f"with a dead letter that {what} at first: {difference}")


_dead_letter("is missing", exists=False)
_dead_letter("has the default size", exists=True)


def _create_without_dead_letter(testbed: Testbed, settings: Settings, *, exists: bool) -> None:
    create_topics(settings)
    name = settings.topic_prefix + DEAD_LETTER
    testbed.admin.delete_topics([name])[name].result(20)
    until(lambda: name not in testbed.admin.list_topics(timeout=10).topics, 10, "the dead letter was not deleted")
    if exists:
        new = NewTopic(name, PARTITIONS, settings.replication, config={"max.message.bytes": _KAFKAS_DEFAULT_BYTES})
        testbed.admin.create_topics([new])[name].result(20)
        until(lambda: name in testbed.admin.list_topics(timeout=10).topics, 10, "the dead letter was not made")


def _refuses(testbed: Testbed, other: Installation) -> None:
    """Each role ends before it is ready, with a sentence that names the topic, and no traceback."""
    with ExitStack() as stack:
        for worker in [stack.enter_context(other.workers.one_start(role)) for role in _ROLES]:
            must(testbed, lambda: not worker.running, _REFUSAL_SECONDS, f"{worker.role} ends without its dead letter")  # noqa: B023
            log, code = worker.log_text(), worker.process.poll()
            if "role_became_ready" in log or "Traceback" in log or DEAD_LETTER not in log or not code:
                testbed.found_wrong(f"{worker.role} did not refuse with a message, exit code {code}: {log[-300:]!r}")
