"""Equal texts are answered once; what is kept is bounded."""

from __future__ import annotations

import threading

from stream_app.models.batcher import Batcher, BatcherOptions
from stream_app.models.result_cache import LONGEST_TEXT, ResultCache
from stream_app.testing.models import FakeClassifier
from tests.waiting import wait_until


def test_text_that_was_not_asked_for_the_longest_is_forgotten_first() -> None:
    cache: ResultCache[int] = ResultCache(2)
    cache.keep("a", 1)
    cache.keep("b", 2)
    assert cache.get("a") == 1
    cache.keep("c", 3)

    assert [cache.get(text) for text in "abc"] == [1, None, 3]


def test_long_texts_and_a_cache_of_nothing_keep_nothing() -> None:
    """The bound on texts is then one on memory too."""
    cache: ResultCache[int] = ResultCache(2)
    cache.keep("x" * (LONGEST_TEXT + 1), 1)
    none: ResultCache[int] = ResultCache(0)
    none.keep("a", 1)

    assert (cache.get("x" * (LONGEST_TEXT + 1)), none.get("a")) == (None, None)


class Rig:
    """A batcher that writes down what is done, in which order."""

    def __init__(self, model: FakeClassifier, cached_texts: int) -> None:
        self.started: list[object] = []
        self.done: list[tuple[object, object]] = []
        self.batcher = Batcher(
            model,
            BatcherOptions(
                name="test",
                micro_batch_tokens=100,
                batch_tokens=100,
                max_waiting_tokens=1000,
                cached_texts=cached_texts,
            ),
            on_start=self.started.extend,
            on_done=self.done.extend,
            fatal=lambda error: None,
        )
        self.batcher.start()

    def ask(self, *items: tuple[object, str]) -> None:
        before = len(self.done)
        self.batcher.submit(items)
        wait_until(lambda: len(self.done) == before + len(items), 30, "every text has its result")


def test_equal_text_gets_the_same_answer_without_the_device() -> None:
    model = FakeClassifier()
    rig = Rig(model, cached_texts=10)
    rig.ask((1, "great product"))
    runs = len(model.completed)
    rig.ask((2, "great product"), (3, "it broke"))
    rig.batcher.stop()

    answers = dict(rig.done)
    assert answers[1] == answers[2] != answers[3]
    assert len(model.completed) == runs + 1
    assert rig.started == [1, 3], "what is not computed was never on the device"


def test_answer_that_was_an_error_is_not_remembered() -> None:
    """The next one may fare better, and a reject must never come from memory."""
    model = FakeClassifier(fails_on=lambda text: "broke" in text)
    rig = Rig(model, cached_texts=10)
    rig.ask((1, "it broke"))
    model.fails_on = lambda text: False
    rig.ask((2, "it broke"))
    rig.batcher.stop()

    answers = dict(rig.done)
    assert answers[1] != answers[2]
    assert rig.started == [1, 2]


def test_cache_holds_while_many_threads_use_it() -> None:
    cache: ResultCache[int] = ResultCache(50)

    def use() -> None:
        for number in range(2000):
            cache.keep(str(number % 80), number % 80)
            assert cache.get(str(number % 80)) in (number % 80, None)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(cache.get(str(number)) is not None for number in range(80)) == 50
