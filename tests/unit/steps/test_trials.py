"""Who killed the process: found with few deaths, and no other review is rejected."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.steps.trials import DEATHS_ALONE, GROUPS, Trials


class Process:
    """Computes what it is given in runs of ``run``, two at a time, and dies when a run begins that holds a killer."""

    def __init__(self, trials: Trials[int], killers: set[int], run: int, seed: int) -> None:
        self.trials = trials
        self.killers = killers
        self.run = run
        self.chance = random.Random(seed)
        self.passed: list[int] = []
        self.blamed: list[int] = []
        self.deaths = 0

    def work(self) -> None:
        """Until every item has its verdict."""
        held: list[list[int]] = []
        while len(self.trials):
            given_now = self.trials.next()
            held += [given_now[start : start + self.run] for start in range(0, len(given_now), self.run)]
            assert held, "something is to be done, and nothing was handed over"
            now = [held.pop(0) for _ in range(min(2, len(held)))]
            for one in now:
                self.trials.started(one)
            if any(item in self.killers for one in now for item in one):
                self.deaths += 1
                assert self.deaths < 1000
                self.blamed += self.trials.died()
                held = []
                continue
            self.chance.shuffle(now)
            for one in now:
                self.passed += self.trials.passed(one)


def one_each(_: int) -> int:
    return 1


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 300),
    st.sets(st.integers(0, 299), max_size=4),
    st.integers(1, 40),
    st.integers(1, 200),
    st.integers(),
)
def test_every_killer_is_blamed_and_every_other_item_is_cleared_once(
    count: int, killers: set[int], run: int, most: int, seed: int
) -> None:
    trials: Trials[int] = Trials(one_each, most)
    trials.add(range(count))
    process = Process(trials, killers, run, seed)
    process.work()
    guilty = {one for one in killers if one < count}
    assert sorted(process.blamed) == sorted(guilty)
    assert sorted(process.passed) == sorted(set(range(count)) - guilty)


def test_killer_among_many_costs_three_deaths() -> None:
    """In company, alone, alone again: a run and its neighbour are at most GROUPS texts."""
    trials: Trials[int] = Trials(one_each, 1000)
    trials.add(range(200))
    process = Process(trials, {77}, GROUPS // 2, 1)
    process.work()
    assert process.deaths == 1 + DEATHS_ALONE


def test_killer_among_thousands_in_one_run_costs_two_deaths_more() -> None:
    trials: Trials[int] = Trials(one_each, 10_000)
    trials.add(range(4000))
    process = Process(trials, {1234}, 4000, 1)
    process.work()
    assert process.deaths <= 3 + DEATHS_ALONE


def test_no_more_than_the_limit_is_handed_over_but_always_one() -> None:
    trials: Trials[int] = Trials(lambda item: item, 100)
    trials.add([60, 30, 20, 500, 1])
    assert trials.next() == [60, 30]
    assert trials.next() == []
    trials.passed([60])
    assert trials.next() == [20]
    trials.passed([30, 20])
    assert trials.next() == [500]


def died(trials: Trials[int], started: list[int]) -> list[int]:
    trials.started(started)
    return trials.died()


def test_what_was_not_started_is_no_candidate_for_blame() -> None:
    trials: Trials[int] = Trials(one_each, 10)
    trials.add(range(4))
    trials.next()
    assert died(trials, [1, 2]) == []
    assert trials.next() == [0, 3], "the others go first, in company"
    trials.passed([0, 3])
    assert trials.next() == [1]


def test_death_before_anything_was_started_points_at_all_of_them() -> None:
    trials: Trials[int] = Trials(one_each, 10)
    trials.add(range(3))
    trials.next()
    assert trials.died() == []
    assert trials.next() == [0]


def test_group_is_alone_until_its_last_result() -> None:
    trials: Trials[int] = Trials(one_each, 1000)
    trials.add(range(GROUPS * 2))
    trials.next()
    died(trials, list(range(GROUPS * 2)))
    assert trials.next() == [0, 1]
    trials.add([500])
    assert trials.next() == []
    trials.passed([0])
    assert trials.next() == []
    trials.passed([1])
    assert trials.next() == [500]


def test_one_death_alone_is_not_enough() -> None:
    """A machine that runs out of memory for a moment kills innocents too."""
    trials: Trials[int] = Trials(one_each, 10)
    trials.add([7])
    trials.next()
    assert died(trials, [7]) == []
    trials.next()
    assert died(trials, [7]) == []
    trials.next()
    assert trials.passed([7]) == [7]
    assert len(trials) == 0


def test_results_of_what_was_dropped_are_no_news() -> None:
    trials: Trials[int] = Trials(one_each, 10)
    trials.add(range(3))
    trials.next()
    assert sorted(trials.drop()) == [0, 1, 2]
    assert trials.passed([0, 1]) == []
    assert (len(trials), trials.held) == (0, 0)
