"""One result per text, in batches that are formed when the device is free."""

from __future__ import annotations

import threading
import time
from functools import partial
from operator import eq

import pytest

from stream_app.models.batcher import estimated_tokens
from stream_app.ports import MicroBatchPlan
from stream_app.records import Scores
from stream_app.steps.batch_plan import Packed, PaddedRows
from tests.unit.models.batcher_rig import Rig, alive, texts
from tests.waiting import wait_until


def test_every_text_gets_its_own_result_exactly_once(rig: Rig) -> None:
    rig.submit(*(f"{'good' if number % 3 else 'awful'} {text}" for number, text in enumerate(texts(200))))
    results = rig.results(200)
    assert len(rig.done) == len(results) == 200
    for text, scores in results.items():
        assert isinstance(scores, Scores)
        assert (scores.positive > scores.negative) == text.startswith("good")


def test_texts_gather_where_a_batch_costs_more_than_its_texts() -> None:
    """A full batch does not wait, nor does the first after a pause."""
    rig = Rig(linger_seconds=2.0)
    rig.batcher.start()
    began = time.monotonic()
    rig.submit("first")
    rig.results(1)
    assert time.monotonic() - began < 1.8
    rig.submit("second")
    rig.submit("third")
    rig.results(3)
    assert time.monotonic() - began >= 2.0
    assert [sorted(tags) for tags in rig.started] == [["first"], ["second", "third"]]

    began = time.monotonic()
    rig.submit(*texts(40))  # more than one batch
    wait_until(lambda: len(rig.done) > 3, 30, "nothing came")
    assert time.monotonic() - began < 1.8
    rig.batcher.stop()


def test_start_is_reported_before_the_device_gets_a_text(rig: Rig) -> None:
    rig.model.gate.clear()
    rig.submit("good")
    wait_until(lambda: rig.started == [["good"]], 30, "on_start was not called")
    assert rig.done == []


def test_a_lone_text_does_not_wait_for_others(rig: Rig) -> None:
    rig.submit("good")
    rig.results(1)
    assert rig.model.completed == [[2]]


def test_what_came_while_the_device_was_busy_makes_one_batch() -> None:
    rig = Rig(micro_batch_tokens=1000, batch_tokens=1000)
    for number in range(50):
        rig.submit(f"text {number}")
    rig.batcher.start()
    rig.results(50)
    rig.batcher.stop()
    assert rig.model.completed == [[3] * 50]


def test_newer_texts_never_overtake_an_older_batch(rig: Rig) -> None:
    order = texts(60)
    rig.submit(*order)
    rig.results(60)
    place = {text: number for number, text in enumerate(order)}
    finished = [place[tag] for tag, _ in rig.done]
    # within a batch (at most 128 tokens, so at most 42 of these) any order; never further away than one batch
    assert all(number <= position + 42 for position, number in enumerate(finished))
    assert all(len(run) * max(run) <= 64 or len(run) == 1 for run in rig.model.completed)


def test_high_priority_overtakes_what_waits_also_within_a_batch() -> None:
    rig = Rig(high_priority=lambda tag: tag.startswith("alarming"))
    rig.submit(*(f"text {number} " + "word " * 10 for number in range(60)), "alarming one", "alarming two")
    rig.batcher.start()
    rig.results(62)
    rig.batcher.stop()
    assert rig.started[0] == ["alarming one", "alarming two"]


@pytest.mark.parametrize(("plan", "runs"), [(PaddedRows(), [2, 3]), (Packed(), [5])])
def test_high_priority_shares_a_micro_batch_with_others_only_where_packed(
    plan: MicroBatchPlan, runs: list[int]
) -> None:
    rig = Rig(high_priority=lambda tag: "alarming" in tag)
    rig.model.plan = plan
    rig.submit("word one", "alarming one", "word two", "alarming two", "word three")
    rig.batcher.start()
    rig.results(5)
    rig.batcher.stop()
    assert list(map(len, rig.started)) == runs


def test_several_workers_share_the_runs_of_one_batch() -> None:
    """Else the second one would begin with what came later."""
    rig = Rig(workers=2, batch_tokens=1000, micro_batch_tokens=10)
    rig.model.gate.clear()
    rig.submit("one two", "three four five six seven eight")
    rig.batcher.start()
    wait_until(lambda: len(rig.started) == 2, 30, "one run waits for the other")
    rig.model.gate.set()
    rig.results(2)
    rig.batcher.stop()


def test_a_text_is_estimated_by_its_bytes() -> None:
    """A Chinese character is about a token, a word of English too."""
    assert estimated_tokens("word " * 100) == 127
    assert estimated_tokens("\u597d" * 100) == 77
    assert estimated_tokens("\ud800") > 0  # half a character is counted as well


def test_dropping_forgets_only_what_has_not_begun(rig: Rig) -> None:
    rig.model.gate.clear()
    rig.submit("begun")
    wait_until(lambda: rig.started == [["begun"]], 30, "the first text did not begin")
    rig.submit(*(f"{'ours' if number % 2 else 'theirs'} {number}" for number in range(400)))
    dropped = rig.batcher.drop_waiting(lambda tag: tag.startswith(("theirs", "begun")))
    rig.model.gate.set()
    results = rig.results(401 - len(dropped))
    assert "begun" in results
    assert set(dropped) | set(results) == {"begun", *(f"{'ours' if n % 2 else 'theirs'} {n}" for n in range(400))}
    assert not set(dropped) & set(results)
    assert len(dropped) > 100


def test_there_is_room_again_when_what_waited_is_taken() -> None:
    rig = Rig(max_waiting_tokens=50)
    assert rig.batcher.has_room()
    rig.submit(*texts(50))
    assert not rig.batcher.has_room()
    rig.batcher.start()
    rig.results(50)
    assert rig.batcher.has_room()
    rig.batcher.stop()


def test_full_batcher_has_room_only_when_an_eighth_is_free() -> None:
    """Who has no room asks again and again, and a review taken at a time would make of each poll a single review."""
    rig = Rig(max_waiting_tokens=400)
    several = texts(100)
    assert sum(map(estimated_tokens, several)) > 400
    rig.submit(*several)
    assert not rig.batcher.has_room()

    rooms = []
    for text in several:
        rig.batcher.drop_waiting(partial(eq, text))
        rooms.append((rig.batcher.waiting_tokens, rig.batcher.has_room()))

    assert any(350 <= waiting < 400 for waiting, _ in rooms), "some are in between"
    assert all(room == (waiting < 350) for waiting, room in rooms), rooms


def test_what_has_no_result_yet_counts_as_unfinished() -> None:
    """Also what has been taken into a batch, which no longer waits."""
    rig = Rig(yield_to=(first := Rig()).batcher)
    first.submit("goes first")
    rig.submit("one two three four", "five six")
    rig.batcher.start()
    wait_until(lambda: not rig.batcher.waiting_tokens, 30, "a batch is formed")
    assert rig.batcher.unfinished_tokens == estimated_tokens("one two three four") + estimated_tokens("five six")
    first.batcher.start()
    rig.results(2)
    wait_until(lambda: not rig.batcher.unfinished_tokens, 30, "they have their results")
    for one in (first, rig):
        one.batcher.stop()


def test_several_workers_share_the_batches() -> None:
    rig = Rig(workers=3)
    rig.batcher.start()
    rig.submit(*texts(300))
    assert len(rig.results(300)) == 300
    rig.batcher.stop()
    wait_until(lambda: not alive(rig.batcher), 30, "threads are still alive after a stop")


def test_no_run_begins_while_the_batcher_it_yields_to_has_anything_to_do(rig: Rig) -> None:
    """T5 takes no core from BERT: it computes when BERT is idle, and then it does."""
    rig.model.gate.clear()
    second = Rig(yield_to=rig.batcher)
    second.batcher.start()
    rig.submit("this one hangs for a while")
    wait_until(lambda: bool(rig.started), 30, "the first did not begin")
    second.submit("waits")
    time.sleep(0.3)  # long enough for it to begin, were it not held back
    assert not second.started
    rig.model.gate.set()
    assert second.results(1)
    second.batcher.stop()


def test_run_begins_alongside_the_few_texts_that_the_batcher_it_yields_to_may_have() -> None:
    first = Rig(workers=2, micro_batch_tokens=1)  # each text is a run of its own
    first.model.gate.clear()
    second = Rig(yield_to=first.batcher, max_unfinished_ahead=1)
    first.batcher.start()
    second.batcher.start()
    first.submit("hangs", "hangs")
    wait_until(lambda: len(first.started) == 2, 30, "both threads of the first have begun")
    second.submit("waits")
    time.sleep(0.3)  # long enough for it to begin, were it not held back
    assert not second.started
    first.model.gate.set()
    assert second.results(1)

    first.model.gate.clear()
    first.submit("hangs")
    second.submit("good")
    assert second.results(2)
    assert len(first.done) == 2
    first.model.gate.set()
    for one in (first, second):
        one.batcher.stop()


def test_join_waits_for_the_run_in_progress_and_not_for_one_that_hangs() -> None:
    """A thread inside a C++ library when Python ends would take the process down with SIGABRT."""
    rig = Rig(workers=2)
    rig.batcher.start()
    rig.model.gate.clear()
    rig.submit("good")
    wait_until(lambda: bool(rig.started), 30, "the run began")
    rig.batcher.stop()
    began = time.monotonic()
    rig.batcher.join(0.2)
    assert 0.2 <= time.monotonic() - began < 10.0
    assert not rig.done

    threading.Timer(0.2, rig.model.gate.set).start()
    began = time.monotonic()
    rig.batcher.join(60.0)
    assert len(rig.done) == 1
    assert time.monotonic() - began < 30.0
    assert not [thread for thread in rig.batcher._threads if thread.is_alive() and "watch" not in thread.name]


def test_stop_while_it_yields_begins_no_run() -> None:
    """The process is ending: what is still to run comes again."""
    first, second = Rig(), None
    first.model.gate.clear()
    second = Rig(yield_to=first.batcher)
    first.batcher.start()
    second.batcher.start()
    first.submit("hangs")
    wait_until(lambda: bool(first.started), 30, "the first began")
    second.submit("waits")
    first.batcher.stop()
    second.batcher.stop()
    second.batcher.join(5.0)
    first.model.gate.set()
    first.batcher.join(5.0)

    assert not alive(second.batcher) or not second.started
    assert (second.started, second.done) == ([], [])


def test_what_was_given_up_before_its_run_is_forgotten() -> None:
    """Also where it was in a batch already; whoever waits for the batcher to be idle does not wait for it."""
    given_up: set[str] = set()
    first = Rig()
    first.model.gate.clear()
    second = Rig(yield_to=first.batcher, unwanted=given_up.__contains__)
    first.batcher.start()
    second.batcher.start()
    first.submit("hangs")
    wait_until(lambda: bool(first.started), 30, "the first began")
    second.submit("late", "good")
    wait_until(lambda: not second.batcher.waiting_tokens, 30, "both are in a batch")
    given_up.add("late")
    first.model.gate.set()

    assert list(second.results(1)) == ["good"]
    second.batcher.wait_until_few(0, lambda: False)
    assert second.started == [["good"]]
    first.batcher.stop()
    second.batcher.stop()
