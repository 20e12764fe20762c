"""A short run of `make chaos`: workers and servers are killed under load, and nothing is lost, doubled or stuck."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest
from rich.console import Console

from tests.reliability.chaos import run as chaos
from tests.reliability.chaos.checker import Verdict
from tests.reliability.chaos.faults import FAULTS, Fault
from tests.reliability.chaos.hostile import all_large, hostile
from tests.reliability.chaos.results import append_to
from tests.reliability.chaos.rounds import Outcome
from tests.reliability.chaos.run import chosen_faults, run, schedule
from tests.reliability.chaos.testbeds import TESTBEDS
from tests.reliability.testbed.messages import ALERTS, ENRICHED, REVIEWS

SEED = 20_260_501


def test_every_fault_names_a_testbed() -> None:
    """And names that `--fault` can tell apart."""
    assert {fault.testbed for fault in FAULTS.values()} == set(TESTBEDS)
    assert all(chosen_faults([name]) == [[fault]] for name, fault in FAULTS.items())


def test_same_seed_plans_the_same_rounds_and_pairs_are_of_different_parts() -> None:
    """A run that failed can be repeated."""
    plan = schedule(300, 1, [])

    assert plan == schedule(300, 1, []) != schedule(300, 2, [])
    assert {fault for faults in plan for fault in faults} >= {f for f in FAULTS.values() if not f.needs_small_disk}
    assert all(len({fault.part for fault in faults}) == len(faults) for faults in plan)
    assert sum(len(faults) == 2 for faults in plan) > 100
    assert not any(fault.alone for faults in plan if len(faults) == 2 for fault in faults)
    assert not any(all(fault.waits_for_texts for fault in faults) for faults in plan if len(faults) == 2)


def test_eight_rounds_have_every_kind_of_hostile_record() -> None:
    """Large ones in turn, so that a long run fills no disk; each round has records that a shop's client cannot send."""
    rounds = [hostile("p", number) for number in range(1, 9)]
    large = {
        (one.topic, len(one.key or b""), len(one.value or b""), str(one.headers)[:40]) for r in rounds for one in r[-2:]
    }

    assert len(large) == len(all_large("p", 1)) >= 7
    assert all(any(max(name, default=0) > 127 for one in r for name, _ in one.headers) for r in rounds)
    assert all(any(one.timestamp_ms == -1 for one in r) for r in rounds)
    assert {one.topic for r in rounds for one in r} == {REVIEWS, ENRICHED, ALERTS}


def test_testbed_that_breaks_down_is_reported_and_the_others_are_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rounds so far keep their place in the table."""

    class BreaksInRoundThree:
        def __init__(self, *_: object) -> None: ...

        def run(self, number: int, faults: Sequence[Fault], seed: int) -> Outcome:
            if number == 3:
                raise OSError("the server ended")
            return Outcome(number, tuple(fault.name for fault in faults), seed, Verdict())

        def check_everything(self) -> Verdict:
            return Verdict()

        def close(self) -> None: ...

    names = ["redis: SIGKILL", "redis: a replica promoted"]  # on two testbeds
    plan = schedule(6, SEED, [[FAULTS[name]] for name in names])
    monkeypatch.setattr(chaos, "TESTBEDS", dict.fromkeys(TESTBEDS, nullcontext))
    monkeypatch.setattr(chaos, "Rounds", BreaksInRoundThree)

    result = run(plan, SEED, tmp_path, Console())

    [complaint] = result.complaints
    assert "could not go on after 1 of its 3 rounds" in complaint
    assert complaint.endswith("OSError: the server ended")
    assert [result.rows[name].rounds for name in names] == [1, 3]


@pytest.mark.alone  # it limits how long recovery takes
@pytest.mark.timeout(300)
def test_nothing_is_lost_doubled_or_stuck(tmp_path: Path) -> None:
    """Deaths of workers, servers and the network, one by one and in pairs."""
    names = ["enrich SIGKILL + redis: SIGKILL", "summarize SIGKILL", "kafka: network cut"]
    plan = schedule(len(names), SEED, chosen_faults(names))

    result = run(plan, SEED, tmp_path / "run", Console())

    assert result.complaints == []
    assert result.total.rounds == len(names)
    append_to(tmp_path / "chaos.md", result)
    assert f"seed {SEED}" in (tmp_path / "chaos.md").read_text()


def test_fault_without_effect_fails_its_round_unless_its_partner_hid_it() -> None:
    """One that hides both proves nothing."""
    pair = ("kafka: stopped", "redis: slow")
    alone = Outcome(1, pair[:1], SEED, Verdict(), without_effect={pair[0]: "no request met it"})
    one = Outcome(2, pair, SEED, Verdict(), without_effect={pair[1]: "no request met it"})
    both = Outcome(3, pair, SEED, Verdict(), without_effect=dict.fromkeys(pair, "no request met it"))
    for outcome in (alone, one, both):
        outcome.hide()

    assert [outcome.passed for outcome in (alone, one, both)] == [False, True, False]
    assert one.hidden == {pair[1]: "no request met it"}
    assert both.complaints == [f"{name}: no request met it" for name in pair]


def test_testbed_whose_port_was_taken_meanwhile_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = []

    def start(folder: Path) -> nullcontext[None]:
        folders.append(folder)
        if len(folders) < 3:
            raise OSError(errno.EADDRINUSE, "address already in use")
        return nullcontext()

    class Passing:
        def __init__(self, *_: object) -> None: ...

        def run(self, number: int, faults: Sequence[Fault], seed: int) -> Outcome:
            return Outcome(number, tuple(fault.name for fault in faults), seed, Verdict())

        def check_everything(self) -> Verdict:
            return Verdict()

        def close(self) -> None: ...

    monkeypatch.setattr(chaos, "TESTBEDS", dict.fromkeys(TESTBEDS, start))
    monkeypatch.setattr(chaos, "Rounds", Passing)

    result = run(schedule(2, SEED, [[FAULTS["redis: SIGKILL"]]]), SEED, tmp_path, Console())

    assert result.total.rounds == 2
    assert len(set(folders)) == 3
