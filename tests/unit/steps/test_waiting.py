"""Two queues: high priority overtakes, and neither starves."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from stream_app.steps.waiting import Waiting


@dataclass(eq=False)
class Text:
    size: int
    high_priority: bool = False


def waiting(*texts: Text) -> Waiting[Text]:
    queues: Waiting[Text] = Waiting()
    queues.add(texts)
    return queues


def test_high_priority_overtakes_what_waits() -> None:
    others = [Text(10) for _ in range(20)]
    alarming = Text(10, high_priority=True)
    assert waiting(*others, alarming).take(40) == [alarming, *others[:3]]


def test_the_others_get_a_quarter_of_each_batch() -> None:
    queues = waiting(*(Text(10, first) for _ in range(20) for first in (True, False)))
    assert [text.high_priority for text in queues.take(80)] == [True] * 6 + [False] * 2


def test_the_others_get_their_quarter_beside_texts_larger_than_a_batch() -> None:
    large, others = [Text(500, high_priority=True) for _ in range(3)], [Text(10) for _ in range(20)]
    assert waiting(*large, *others).take(80) == [large[0], *others[:2]]


def test_what_one_lane_leaves_the_other_gets() -> None:
    few = [Text(10), *(Text(10, high_priority=True) for _ in range(20))]
    assert [text.high_priority for text in waiting(*few).take(80)] == [True] * 7 + [False]


def test_a_lane_alone_gets_the_whole_batch() -> None:
    for first in (True, False):
        assert len(waiting(*(Text(10, first) for _ in range(20))).take(40)) == 4


def test_what_is_dropped_is_gone_and_counts_no_more() -> None:
    kept, gone, also_gone = Text(10), Text(20), Text(40, high_priority=True)
    queues = waiting(kept, gone, also_gone)
    assert set(map(id, queues.drop(lambda text: text is not kept))) == {id(gone), id(also_gone)}
    assert queues.tokens == 10
    assert queues.take(1000) == [kept]
    assert not queues


def test_the_step_of_the_tokeniser_is_bounded_also_for_tiny_texts() -> None:
    assert len(waiting(*(Text(1) for _ in range(5000))).take(100_000)) == 4096


@given(st.lists(st.tuples(st.integers(1, 600), st.booleans())), st.integers(1, 1000))
def test_each_text_is_taken_once_and_in_the_order_of_its_lane(made: list[tuple[int, bool]], budget: int) -> None:
    texts = [Text(size, first) for size, first in made]
    queues = waiting(*texts)
    taken: list[Text] = []
    while queues:
        assert queues.tokens == sum(text.size for text in texts) - sum(text.size for text in taken)
        batch = queues.take(budget)
        assert batch
        taken += batch
    assert queues.tokens == 0
    for first in (True, False):
        assert [text for text in taken if text.high_priority is first] == [
            text for text in texts if text.high_priority is first
        ]
