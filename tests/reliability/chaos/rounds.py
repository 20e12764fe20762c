"""One round: load, faults meanwhile, healing, a probe of every partition, and the checks."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from urllib.error import URLError

from redis.exceptions import RedisError

from tests.reliability.chaos.checker import Verdict, check_identity, check_topics
from tests.reliability.chaos.checker_deliveries import Ref, check_deliveries, latest_steady, missing_refs
from tests.reliability.chaos.checker_signals import check_signals
from tests.reliability.chaos.checker_view import check_shown_alerts, check_texts, check_view, look_up, start_of_keys
from tests.reliability.chaos.faults.table import Fault
from tests.reliability.chaos.hostile import hostile
from tests.reliability.chaos.published import Published, Reader, topics_of
from tests.reliability.chaos.workload import killer_of_describe, probe, workload
from tests.reliability.testbed.messages import Sent
from tests.reliability.testbed.receivers import SHAKY, STEADY
from tests.reliability.testbed.testbed import PARTITIONS, Testbed
from tests.reliability.testbed.workers import Exit

LOAD_SECONDS = 5.0
MESSAGES_A_SECOND = 100
_CATCH_UP_SECONDS = 60.0
_VIEW_SECONDS = 20.0
_ACK_SECONDS = 30.0
_START_SECONDS = 25.0  # of a worker, on two busy cores
_DELIVERED_SECONDS = 40.0


@dataclass(slots=True)
class Outcome:
    """The result of a round. ``stuck``: what did not pass in time, in words.

    ``without_effect``, ``hidden``: what had no effect, by fault. A fault of a pair may be hidden by the other:
    nothing writes to Redis while Kafka is away. That does not fail the round, but it proves nothing.
    """

    number: int
    faults: tuple[str, ...]
    seed: int
    verdict: Verdict
    stuck: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    without_effect: dict[str, str] = field(default_factory=dict)
    hidden: dict[str, str] = field(default_factory=dict)
    recovery_seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return not (self.verdict.differences or self.stuck or self.unexplained or self.without_effect)

    @property
    def complaints(self) -> list[str]:
        without_effect = [f"{fault}: {what}" for fault, what in self.without_effect.items()]
        return self.stuck + self.unexplained + without_effect + self.verdict.differences

    def hide(self) -> None:
        """After all faults have ended: if one had an effect, the others without effect were hidden by it."""
        if len(self.without_effect) < len(self.faults):
            self.hidden, self.without_effect = self.without_effect, {}


class Rounds:
    """The rounds on one testbed. Everything that was sent is checked once more at the end."""

    def __init__(self, testbed: Testbed, with_hostile: bool = True) -> None:
        self._testbed = testbed
        self._with_hostile = with_hostile
        prefix = testbed.settings.topic_prefix
        self._reader = Reader(testbed.settings.brokers, topics_of(prefix))
        self._published = Published(prefix)
        self._all: list[Sent] = []
        self._lost_deliveries: set[Ref] = set()  # that a fault may lose

    def run(self, number: int, faults: Sequence[Fault], seed: int) -> Outcome:
        """One round under these faults."""
        testbed, chance = self._testbed, random.Random(seed)
        prefix = f"{testbed.settings.topic_prefix}{number}"
        load = _load(prefix, seed, number if self._with_hostile else None, faults)
        outcome = Outcome(number, tuple(fault.name for fault in faults), seed, Verdict())
        exits_before = testbed.exits_before = len(testbed.exits)
        began_at = time.time()

        feeder = threading.Thread(target=self._feed, args=(load,), name="feeder")
        feeder.start()
        broke_at = time.monotonic()
        try:
            self._break(faults, chance, outcome)
        except BaseException:
            feeder.join()  # else it would send to the next testbed
            raise
        outcome.hide()
        broken_seconds = time.monotonic() - broke_at if any(fault.holds_up for fault in faults) else 0.0
        probes = [probe(prefix, number * 1000 + i) for i in range(3 * PARTITIONS)]
        self._probe(probes, outcome)
        feeder.join()
        self._check(testbed.taken_sent(), faults, outcome)
        self._check_deliveries(faults, began_at, outcome)
        outcome.verdict.wrong += testbed.taken_wrong()
        start_seconds = testbed.workers.longest_start(broke_at)
        # of a pair one after the other: what waited for Kafka then meets the model's trouble
        limit = sum(fault.stall_seconds for fault in faults) or 5.0
        limit += max((fault.starts for fault in faults), default=0) * start_seconds
        if start_seconds > _START_SECONDS:
            outcome.stuck.append(f"a worker took {start_seconds:.1f} s to start, not {_START_SECONDS:.0f}")
        if outcome.recovery_seconds > limit:
            outcome.stuck.append(f"fresh reviews were shown after {outcome.recovery_seconds:.1f} s, not {limit:.0f}")
        if outcome.verdict.stall_seconds > broken_seconds + limit:
            outcome.stuck.append(
                f"a review waited {outcome.verdict.stall_seconds:.1f} s, more than the fault's {broken_seconds:.1f} s "
                f"and {limit:.0f} s"
            )
        explained: set[Exit] = {one for fault in faults for one in fault.exits}
        exits = testbed.exits[exits_before:]
        for fault in faults:
            if fault.most_deaths and (deaths := sum(one in fault.exits for one in exits)) > fault.most_deaths:
                outcome.stuck.append(f"{deaths} processes died, not {fault.most_deaths} at most")
        ended = set(exits) - explained
        outcome.unexplained = [f"a worker of {one.role} ended with exit code {one.code}" for one in ended]
        return outcome

    def check_everything(self) -> Verdict:
        """The views of all rounds' products again, after everything that came late."""
        return check_view(self._all, self._testbed.api)

    def close(self) -> None:
        self._reader.close()

    def _feed(self, sent: Sequence[Sent]) -> None:
        began = time.monotonic()
        for i, one in enumerate(sent):
            time.sleep(max(0.0, began + i / MESSAGES_A_SECOND - time.monotonic()))  # the stated rate
            self._testbed.send(one)

    def _break(self, faults: Sequence[Fault], chance: random.Random, outcome: Outcome) -> None:
        """All faults overlap: each begins within the first half of the one before; each heals when its time is over.

        Those that wait for texts heal last.
        """
        time.sleep(chance.uniform(0.5, 1.5))
        ends: list[tuple[float, Fault, ExitStack]] = []
        with ExitStack() as all_of_them:  # if one cannot be healed, the others still are, on this testbed
            for fault in faults:
                stack = all_of_them.enter_context(ExitStack())
                try:
                    stack.enter_context(fault.during(self._testbed, chance))
                except AssertionError as error:
                    outcome.without_effect[fault.name] = str(error)
                    continue
                ends.append((time.monotonic() + fault.seconds, fault, stack))
                if fault is not faults[-1]:
                    time.sleep(chance.uniform(0.0, fault.seconds / 2))
            for end, fault, stack in sorted(ends, key=lambda one: (one[1].waits_for_texts, one[0])):
                time.sleep(max(0.0, end - time.monotonic()))
                try:
                    stack.close()
                except AssertionError as error:
                    outcome.without_effect[fault.name] = str(error)

    def _probe(self, probes: list[Sent], outcome: Outcome) -> None:
        """Fresh reviews over all partitions, each of a product of its own: how long until all are shown?"""
        began = time.monotonic()
        for one in probes:
            self._testbed.send(one)
        waiting = {str((one.fields or {})["product_id"]) for one in probes}
        while waiting:
            with suppress(URLError):  # the API says that Redis is away
                waiting -= look_up(self._testbed.api, sorted(waiting)).keys()
            outcome.recovery_seconds = time.monotonic() - began
            if waiting and outcome.recovery_seconds > _CATCH_UP_SECONDS:
                outcome.stuck.append(f"{len(waiting)} fresh reviews were not shown in {_CATCH_UP_SECONDS:.0f} s")
                return
            time.sleep(0.05)

    def _check(self, sent: list[Sent], faults: Sequence[Fault], outcome: Outcome) -> None:
        if not self._testbed.shop.flush(_ACK_SECONDS):
            outcome.stuck.append("the broker did not acknowledge the workload itself")
        late = any(fault.late_firsts for fault in faults)
        until = time.monotonic() + _CATCH_UP_SECONDS
        while True:
            self._published.take(self._reader.read())
            verdict = check_topics(sent, self._published, late_firsts_allowed=late)
            if not verdict.lost or time.monotonic() > until:
                break
            time.sleep(0.2)
        verdict.add(check_identity(self._published))
        verdict.add(self._view_of(sent))
        self._keep(sent)
        outcome.verdict = verdict

    def _check_deliveries(self, faults: Sequence[Fault], began_at: float, outcome: Outcome) -> None:
        """Of alerts, to receivers; until all are there, or until everything has had time to arrive."""
        receivers, alerts = self._testbed.receivers, self._published.alerts
        until = time.monotonic() + _DELIVERED_SECONDS
        while True:
            self._published.take(self._reader.read())
            verdict = check_deliveries(alerts, receivers.deliveries, receivers.strayed, self._lost_deliveries)
            if not verdict.lost or time.monotonic() > until:
                break
            time.sleep(0.2)
        if any(fault.loses_deliveries for fault in faults):
            for name in (STEADY, SHAKY):
                own = [one for one in receivers.deliveries if one.receiver == name]
                self._lost_deliveries.update(missing_refs(alerts, own))
            verdict.lost.clear()
        outcome.verdict.add(verdict)
        limit = min((fault.steady_seconds for fault in faults), default=0.0)
        if limit and (waited := latest_steady(alerts, receivers.deliveries, began_at)) > limit:
            outcome.stuck.append(f"an alert took {waited:.1f} s to a receiver that is in order, not {limit:.0f} s")

    def _view_of(self, sent: list[Sent]) -> Verdict:
        """Check the view until it is right, or until everything has had time to arrive."""
        until = time.monotonic() + _VIEW_SECONDS
        keys = start_of_keys(self._testbed.settings.topic_prefix, self._testbed.settings.app_name)
        while True:
            try:
                verdict = check_view(sent, self._testbed.api)
                verdict.add(check_texts(sent, self._testbed.api))
                self._published.take(self._reader.read())
                verdict.add(check_signals(sent, self._published))
                with self._testbed.store.client() as client:
                    verdict.add(check_shown_alerts(sent, client, keys))
            except (URLError, RedisError) as error:
                verdict = Verdict(lost=[f"the view cannot be read: {error}"])
            if not verdict.differences or time.monotonic() > until:
                return verdict
            time.sleep(0.2)

    def _keep(self, sent: list[Sent]) -> None:
        """What ``check_everything`` needs of it: no large record."""
        for one in sent:
            if one.fields:
                one.headers, one.value = (), None
                self._all.append(one)


def _load(prefix: str, seed: int, number: int | None, faults: Sequence[Fault]) -> list[Sent]:
    """The messages of a round in the order in which they are sent; hostile ones anywhere among them."""
    chance = random.Random(seed)
    load = workload(prefix, seed, int(LOAD_SECONDS * MESSAGES_A_SECOND), killers=sum(fault.killers for fault in faults))
    for one in [] if number is None else hostile(prefix, number):
        load.insert(chance.randrange(len(load)), one)
    for _ in range(sum(fault.describe_killers for fault in faults)):
        load[:0] = killer_of_describe(prefix, seed)
    return load
