"""The processes behind product pages, `describe` and `api`: killed, ended, stopped for a while."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from urllib.error import URLError
from urllib.request import urlopen

from confluent_kafka import KafkaException

from tests.reliability.chaos.faults.table import NoEffect, ended, fault, few_reviews, must, one_of, until
from tests.reliability.testbed.messages import SUMMARIES
from tests.reliability.testbed.testbed import Testbed
from tests.reliability.testbed.workers import Exit

_STOPPED_SECONDS = 4.0
_TEXT_SECONDS = 15.0
_READY_SECONDS = 20.0


def _ends_describe(number: signal.Signals) -> None:
    code = -int(number) if number is signal.SIGKILL else 0

    @fault("describe", number.name, 1.0, exits=(Exit("describe", code),), holds_up=False, waits_for_texts=True)
    def body(testbed: Testbed, chance: random.Random) -> Iterator[None]:
        worker = one_of(testbed, "describe", chance)
        until(lambda: testbed.is_ready(worker), _READY_SECONDS, f"{worker.name} was not ready")
        worker.signal(number)
        ended(worker)
        yield
        _writes_texts(testbed, chance)


_ends_describe(signal.SIGTERM)
_ends_describe(signal.SIGKILL)


@fault("describe", "SIGSTOP for a while", _STOPPED_SECONDS, holds_up=False, waits_for_texts=True)
def _describe_stopped(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    worker = one_of(testbed, "describe", chance)
    until(lambda: testbed.is_ready(worker), _READY_SECONDS, f"{worker.name} was not ready")
    worker.signal(signal.SIGSTOP)
    try:
        time.sleep(0.5)  # what its producer had sent before
        before = _published(testbed)
        few_reviews(testbed, chance)
        yield
        if _published(testbed) != before:
            raise NoEffect("texts were published although describe was stopped")
    finally:
        worker.signal(signal.SIGCONT)
    _writes_texts(testbed, chance)


def _writes_texts(testbed: Testbed, chance: random.Random) -> None:
    """Summaries of products are published again; that each product has its text is checked with the round."""
    before = _published(testbed)
    few_reviews(testbed, chance)
    must(testbed, lambda: _published(testbed) > before, _TEXT_SECONDS, "describe publishes texts again")


def _published(testbed: Testbed) -> int:
    try:
        return sum(testbed.ends(SUMMARIES).values())
    except KafkaException as error:  # the other fault of a pair
        raise NoEffect(f"Kafka is away: what describe publishes cannot be seen ({error})") from error


@fault("api", "SIGKILL", 1.0, exits=(Exit("api", -int(signal.SIGKILL)),), holds_up=False)
def _api_kill(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    worker = one_of(testbed, "api", chance)
    worker.signal(signal.SIGKILL)
    ended(worker)
    if _answers(testbed):
        raise NoEffect("look-ups were answered although the API was killed")
    yield
    must(testbed, lambda: _answers(testbed), _READY_SECONDS, "look-ups are answered after the API was killed")


@fault("api", "SIGSTOP for a while", _STOPPED_SECONDS, holds_up=False)
def _api_stopped(testbed: Testbed, chance: random.Random) -> Iterator[None]:
    worker = one_of(testbed, "api", chance)
    worker.signal(signal.SIGSTOP)
    try:
        if _answers(testbed):
            raise NoEffect("look-ups were answered although the API was stopped")
        yield
    finally:
        worker.signal(signal.SIGCONT)
    must(testbed, lambda: _answers(testbed), 5.0, "look-ups are answered after the API went on")


def _answers(testbed: Testbed) -> bool:
    try:
        with urlopen(f"{testbed.api}/v1/products?id=any", timeout=1) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
