"""One partition's order: whatever finishes when, payloads leave in offset order and commits never jump."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.steps.sequence import OffsetJumpedBack, Sequencer


def arrived(*offsets: int) -> Sequencer[str]:
    sequencer: Sequencer[str] = Sequencer()
    for offset in offsets:
        sequencer.arrive(offset)
    return sequencer


def test_nothing_is_committable_before_the_first_delivery() -> None:
    sequencer = arrived(5)
    assert sequencer.finish(5, "a") == [(5, "a")]
    assert sequencer.next_offset is None


def test_finished_payload_waits_for_every_earlier_one() -> None:
    sequencer = arrived(5, 6, 7)
    assert sequencer.finish(7, "c") == []
    assert sequencer.finish(6, "b") == []
    assert sequencer.finish(5, "a") == [(5, "a"), (6, "b"), (7, "c")]


def test_commit_stops_before_the_first_undelivered_offset() -> None:
    sequencer = arrived(681, 682, 683)
    for offset in (681, 682, 683):
        sequencer.finish(offset, "")
    assert not sequencer.delivered(682)
    assert not sequencer.delivered(683)
    assert sequencer.next_offset is None
    assert sequencer.delivered(681)
    assert sequencer.next_offset == 684


def test_gaps_between_arrived_offsets_hold_nothing_back() -> None:
    sequencer = arrived(34, 36, 40)
    for offset in (34, 36, 40):
        assert sequencer.finish(offset, "") == [(offset, "")]
    assert [sequencer.delivered(offset) and sequencer.next_offset for offset in (34, 36, 40)] == [35, 37, 41]
    assert len(sequencer) == 0


@pytest.mark.parametrize("offset", [7, 6, 0])
def test_offset_that_jumps_back_within_an_epoch_is_a_bug(offset: int) -> None:
    sequencer = arrived(5, 7)
    with pytest.raises(OffsetJumpedBack):
        sequencer.arrive(offset)


@pytest.mark.parametrize("offset", [4, 6, 8])
def test_what_never_arrived_cannot_be_finished(offset: int) -> None:
    with pytest.raises(ValueError, match="has not arrived"):
        arrived(5, 7).finish(offset, "")


def test_nothing_is_finished_or_delivered_twice() -> None:
    sequencer = arrived(5, 6)
    sequencer.finish(6, "")
    with pytest.raises(ValueError, match="finished before"):
        sequencer.finish(6, "")
    with pytest.raises(ValueError, match="not released"):
        sequencer.delivered(6)
    sequencer.finish(5, "")
    sequencer.delivered(6)
    with pytest.raises(ValueError, match="delivered before"):
        sequencer.delivered(6)


offsets_in_order = st.sets(st.integers(0, 200), min_size=1, max_size=30).map(sorted)


@given(offsets_in_order, st.randoms(use_true_random=False))
def test_any_order_of_finishing_and_delivering_keeps_both_promises(offsets: list[int], random: Random) -> None:
    sequencer: Sequencer[int] = Sequencer()
    to_arrive, delivered = list(offsets), set[int]()
    open_: list[int] = []
    released: list[int] = []
    order: list[int] = []
    while to_arrive or open_ or released:
        what = random.choice([kind for kind, left in (("a", to_arrive), ("f", open_), ("d", released)) if left])
        if what == "a":
            sequencer.arrive(to_arrive[0])
            open_.append(to_arrive.pop(0))
        elif what == "f":
            offset = open_.pop(random.randrange(len(open_)))
            out = sequencer.finish(offset, -offset)
            assert all(payload == -released_offset for released_offset, payload in out)
            order += [released_offset for released_offset, _ in out]
            released += [released_offset for released_offset, _ in out]
        else:
            offset = released.pop(random.randrange(len(released)))
            delivered.add(offset)
            sequencer.delivered(offset)
        contiguous = [o for n, o in enumerate(offsets) if all(before in delivered for before in offsets[: n + 1])]
        assert sequencer.next_offset == (contiguous[-1] + 1 if contiguous else None)
    assert order == offsets
    assert len(sequencer) == 0
