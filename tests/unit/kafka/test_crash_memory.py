"""What is noted of a partition, when, and what its next owner reads from it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from stream_app.kafka.crash_memory import CrashMemory
from stream_app.records import Partition, Position
from stream_app.steps.crash_note import CrashNote, unpacked

P = Partition("reviews", 0)


class Owner:
    """A process that owns one partition of a log, between a broker that keeps its commits."""

    def __init__(self, committed: int | None, metadata: str = "", end: int = 10_000) -> None:
        self.now = 1000.0
        self.memory = CrashMemory(clock=lambda: self.now)
        self.offset, self.metadata = committed, metadata
        self.commits = 0
        self.memory.assigned(P, committed, metadata, end)
        self.memory.commits_by(self._commit_by_itself)

    async def _commit_by_itself(self, partitions: Iterable[Partition]) -> bool:
        assert list(partitions) == [P]
        self.commit()
        return True

    def commit(self, offset: int | None = None) -> None:
        at = offset if offset is not None else self.memory.offset(P)
        assert at is not None
        noted = self.memory.note(P, at)
        self.offset, self.metadata = at, noted.metadata
        self.commits += 1
        self.memory.committed([(noted, at)])

    def arrive(self, first: int, last: int) -> None:
        """As the consumer does: where no note covers it, one is committed."""
        if not self.memory.arrive(P, first, last):
            self.commit(self.offset)

    def note(self) -> CrashNote | None:
        return unpacked(self.metadata)

    def successor(self, end: int = 10_000) -> Owner:
        return Owner(self.offset, self.metadata, end)

    def candidates(self) -> list[int]:
        return [
            offset
            for offset in range(self.offset or 0, 10_000)
            if self.memory.is_candidate(Position("reviews", 0, offset))
        ]


def test_record_is_covered_by_a_committed_note_before_it_goes_on() -> None:
    owner = Owner(40)
    assert owner.memory.arrive(P, 40, 44) is False
    owner.commit()
    assert owner.memory.arrive(P, 45, 46) is True
    assert owner.successor(end=47).candidates() == [40, 41, 42, 43, 44, 45, 46]


def test_partition_without_any_commit_begins_with_its_first_record() -> None:
    owner = Owner(None)
    owner.arrive(7, 9)
    assert owner.offset == 7
    assert owner.successor(end=10).candidates() == [7, 8, 9]


def test_notes_are_written_ahead_so_that_the_periodic_ones_suffice() -> None:
    """1,000 polls of 10 records, a periodic commit each 50 of them."""
    owner = Owner(0)
    for poll in range(1000):
        owner.arrive(10 * poll, 10 * poll + 9)
        if poll % 50 == 49:
            owner.commit(10 * poll)
    assert owner.commits - 20 <= 6, "while it learns how fast they come"


def test_committed_offset_alone_does_not_clear_what_follows_it() -> None:
    owner = Owner(40)
    owner.arrive(40, 59)
    owner.commit(50)
    assert owner.successor(end=60).candidates() == list(range(50, 60))


def test_clean_end_leaves_no_candidates() -> None:
    owner = Owner(40)
    owner.arrive(40, 59)
    owner.memory.drained()
    assert owner.memory.stale(P, 50)
    owner.commit(50)
    assert owner.successor(end=60).candidates() == []


def test_quiet_partition_is_clean_after_a_while_and_only_one_commit_says_so() -> None:
    owner = Owner(40)
    owner.arrive(40, 59)
    owner.commit(60)
    assert not owner.memory.stale(P, 60)
    owner.now += 6
    assert owner.memory.stale(P, 60)
    owner.commit(60)
    assert not owner.memory.stale(P, 60)
    assert owner.successor(end=70).candidates() == []
    assert owner.memory.arrive(P, 60, 60) is False, "what comes now needs a note again"


def test_partition_that_waits_for_its_device_is_not_quiet() -> None:
    owner = Owner(40)
    owner.arrive(40, 59)
    owner.now += 60
    owner.commit(50)
    assert owner.successor(end=60).candidates() == list(range(50, 60))


def test_candidates_are_cleared_when_they_are_committed() -> None:
    owner = Owner(40)
    owner.arrive(40, 59)
    owner = owner.successor(end=60)
    owner.arrive(40, 59)
    owner.commit(59)
    assert owner.memory.has_candidates
    owner.commit(60)
    assert not owner.memory.has_candidates


def test_hand_over_in_the_middle_of_the_candidates_keeps_the_rest_and_counts_no_death() -> None:
    owner = Owner(40)
    owner.arrive(40, 59)
    owner = owner.successor(end=60)
    owner.arrive(40, 59)
    owner.memory.drained()
    owner.commit(45)
    owner = owner.successor(end=60)
    assert owner.candidates() == list(range(45, 60))
    assert owner.note() == CrashNote(False, until=60)


def test_hand_over_before_anything_arrived_counts_no_death() -> None:
    owner = Owner(40)
    owner.arrive(40, 59)
    for _ in range(5):
        owner = owner.successor(end=60)
        owner.memory.drained()
        assert owner.memory.stale(P, None)
        owner.commit()
    assert owner.candidates() == list(range(40, 60))
    assert not owner.memory.in_a_loop(P)


def test_three_deaths_without_progress_are_a_loop_and_progress_ends_it() -> None:
    owner = Owner(40)
    owner.arrive(40, 59)
    for _ in range(3):
        assert not owner.memory.in_a_loop(P)
        owner = owner.successor(end=60)
        owner.arrive(40, 59)
    assert owner.memory.in_a_loop(P)
    owner.commit(41)
    assert not owner.successor(end=60).memory.in_a_loop(P)


def test_review_alone_in_two_deaths_is_known_whatever_passes_before_it() -> None:
    async def scenario() -> None:
        owner = Owner(40)
        owner.arrive(40, 59)
        for deaths in range(3):
            owner = owner.successor(end=60)
            owner.arrive(40, 59)
            assert owner.memory.deaths_alone(Position("reviews", 0, 42)) == deaths
            for offset in (40, 41, 42):
                assert owner.memory.deaths_alone(Position("reviews", 0, offset)) == (deaths if offset == 42 else 0)
                assert await owner.memory.note_alone(Position("reviews", 0, offset))

    asyncio.run(scenario())


def test_death_before_the_review_that_was_alone_is_not_its_fault() -> None:
    async def scenario() -> None:
        owner = Owner(40)
        owner.arrive(40, 59)
        assert await owner.memory.note_alone(Position("reviews", 0, 42))
        owner = owner.successor(end=60)
        owner.arrive(40, 59)
        assert owner.successor(end=60).memory.deaths_alone(Position("reviews", 0, 42)) == 1

    asyncio.run(scenario())


def test_foreign_metadata_is_no_note() -> None:
    owner = Owner(40, "checkpoint of another application")
    assert owner.candidates() == []


def test_partition_that_is_not_ours_any_more_is_not_noted() -> None:
    owner = Owner(40)
    owner.memory.revoked()
    assert asyncio.run(owner.memory.note_alone(Position("reviews", 0, 42))) is False
    assert owner.memory.arrive(P, 40, 41) is True


class TwoPartitions:
    """A process that owns two partitions, and what the broker has of them; one commit may hold several notes."""

    def __init__(self, broker: dict[Partition, str]) -> None:
        self.broker = broker
        self.memory = CrashMemory()
        for partition, metadata in broker.items():
            self.memory.assigned(partition, 0, metadata, 100)
        self.memory.commits_by(self._commit)
        for partition in broker:
            if not self.memory.arrive(partition, 0, 9):
                asyncio.run(self._commit([partition]))

    async def _commit(self, partitions: Iterable[Partition]) -> bool:
        noted = [(self.memory.note(one, 0), 0) for one in partitions]
        self.broker.update({one.partition: one.metadata for one, _ in noted})
        self.memory.committed(noted)
        return True

    def alone(self, partition: Partition, offset: int) -> None:
        assert asyncio.run(self.memory.note_alone(Position(partition.topic, partition.number, offset)))


def test_death_is_blamed_on_the_record_that_is_alone_now_and_on_none_of_another_partition() -> None:
    """Nothing of either partition is committed between the two: they are alone a few milliseconds apart."""
    innocent, killer = Partition("reviews", 0), Partition("reviews", 1)
    broker = {innocent: "", killer: ""}
    TwoPartitions(broker)
    for _ in range(3):
        process = TwoPartitions(broker)
        process.alone(innocent, 3)
        process.alone(killer, 5)  # it dies
    successor = TwoPartitions(broker).memory
    assert successor.deaths_alone(Position("reviews", 1, 5)) == 3
    assert successor.deaths_alone(Position("reviews", 0, 3)) == 0


def test_death_of_a_record_that_passed_before_is_not_blamed_on_another_partitions() -> None:
    """Records before one that was alone in a death are not noted: whoever was alone last must say that it passed."""
    innocent, other = Partition("reviews", 0), Partition("reviews", 1)
    broker = {innocent: "", other: ""}
    TwoPartitions(broker)
    TwoPartitions(broker).alone(other, 5)  # it dies
    process = TwoPartitions(broker)
    process.alone(innocent, 3)
    process.alone(other, 4)  # it dies
    assert TwoPartitions(broker).memory.deaths_alone(Position("reviews", 0, 3)) == 0
