"""The Faust adapter on a real broker: nothing is lost, committed early or out of order when a member dies or joins."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

from stream_app.records import RawRecord
from tests.integration.kafka.conftest import Stage
from tests.waiting import wait_until

MakeStage = Callable[[int], Stage]


def test_sigterm_commits_exactly_what_was_published_and_exits_with_0(stage: MakeStage) -> None:
    s = stage(3)
    s.produce(range(20_000))
    # with at most 6,000 at work; nothing but the last commit can say what was published
    worker = s.start(work_seconds=0.8, settings={"commit_interval_seconds": 3600.0})
    wait_until(lambda: s.outputs() >= 500, 30, "500 outputs")

    assert worker.stop() == 0, worker.log()

    published = s.published()
    assert len(published) < 20_000, "it was stopped in the middle"
    taken = sum(sum(event["partitions"].values()) for event in worker.events("took"))
    assert len(published) == taken, "what was started is finished"
    assert s.committed() == last_published_plus_one(published)
    assert len(worker.events("stopped")) == 1
    assert_in_order_within_epochs(published)


def test_sigterm_waits_for_what_was_started_while_nothing_is_published(stage: MakeStage) -> None:
    """While something is published all the time, waiting for its acknowledgement would be enough."""
    s = stage(3)
    s.produce(range(100))
    worker = s.start(least_seconds=1.5, work_seconds=2.0)
    wait_until(lambda: worker.events("took"), 30, "records are taken")

    assert worker.stop() == 0, worker.log()

    published = s.published()
    assert len(published) == sum(sum(event["partitions"].values()) for event in worker.events("took"))
    assert s.committed() == last_published_plus_one(published)


def test_records_stay_whole_through_a_join_a_leave_and_a_restart(stage: MakeStage) -> None:
    s = stage(4)
    s.produce(range(10_000))
    first = s.start(work_seconds=0.05)
    wait_until(lambda: s.outputs() >= 1000, 30, "the first worker publishes")
    second = s.start(work_seconds=0.05)
    s.produce(range(10_000, 20_000))
    wait_until(lambda: second.events("took"), 30, "the second worker has partitions")
    assert first.stop() == 0, first.log()
    s.produce(range(20_000, 22_000))
    third = s.start(work_seconds=0.05)
    wait_until(lambda: s.outputs() >= 22_000, 60, "everything is published")
    assert (second.stop(), third.stop()) == (0, 0)

    published = s.published()
    assert_nothing_missing(published, 22_000)
    assert len(published) == 22_000, f"{len(published) - 22_000} published twice"
    assert_in_order_within_epochs(published)
    assert s.committed() == last_published_plus_one(published)


def test_kill_9_and_a_restart_lose_nothing(stage: MakeStage) -> None:
    s = stage(3)
    s.produce(range(12_000))
    victim = s.start(work_seconds=0.8)  # with at most 6,000 at work
    wait_until(lambda: s.outputs() >= 500, 30, "500 outputs")
    victim.stop(signal.SIGKILL)
    before = s.outputs()
    assert before < 12_000, "the worker was killed in the middle"

    successor = s.start(work_seconds=0.1)
    wait_until(lambda: len({r.value for r in s.published()}) == 12_000, 60, "everything is published")
    assert successor.stop() == 0

    published = s.published()
    assert_nothing_missing(published, 12_000)
    assert_in_order_within_epochs(published)
    assert s.committed() == last_published_plus_one(published)


def test_what_is_unfinished_holds_the_commit_back_and_comes_again(stage: MakeStage) -> None:
    s = stage(1)
    s.produce(range(100))
    worker = s.start(never_finish=[40], settings={"drain_seconds": 0.2})
    wait_until(lambda: s.committed() == {0: 40}, 20, "the contiguous prefix is committed")

    assert worker.stop() == 0, worker.log()

    assert s.committed() == {0: 40}
    assert values(s.published()) == list(range(40)), "40 holds back what comes after it"
    successor = s.start()
    wait_until(lambda: s.committed() == {0: 100}, 20, "everything is committed")
    assert values(s.published()) == list(range(100))
    assert successor.stop() == 0


def test_early_publications_go_out_although_their_record_is_held_back(stage: MakeStage) -> None:
    s = stage(1)
    s.produce(range(10))
    s.start(never_finish=[0], early_output=s.early_output)

    wait_until(lambda: len(s.early()) == 10, 20, "all early messages are published")
    assert s.outputs() == 0
    assert s.committed() == {}


def test_role_without_room_for_longer_than_the_poll_interval_stays_in_the_group(
    stage: MakeStage, tmp_path: Path
) -> None:
    s = stage(2)
    full = tmp_path / "full"
    worker = s.start(no_room_file=str(full), settings={"max_poll_interval_seconds": 2.0})
    s.produce(range(100))
    wait_until(lambda: s.outputs() == 100, 20, "it works while it has room")

    full.touch()
    wait_until(lambda: not s.moves_within(1.0), 30, "what was being fetched when it became full is through")
    s.produce(range(100, 200))
    members = s.members()
    assert len(members) == 1
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 5.0, 10, "more than two poll intervals went by")
    assert s.members() == members
    held_back = s.outputs()
    assert held_back < 200, "the gate is closed"

    full.unlink()
    wait_until(lambda: s.outputs() == 200, 30, "it goes on as soon as there is room")
    assert worker.stop() == 0
    assert values(s.published()) == list(range(200))


def test_spare_worker_takes_over_after_longer_than_the_poll_interval(stage: MakeStage) -> None:
    s = stage(1)
    settings = {"max_poll_interval_seconds": 2.0}
    workers = [s.start(settings=settings), s.start(settings=settings)]
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 5.0, 10, "more than two poll intervals went by")
    s.produce(range(10))
    wait_until(lambda: s.outputs() == 10, 20, "one of them works")
    [busy] = [worker for worker in workers if worker.events("took")]
    [spare] = [worker for worker in workers if worker is not busy]

    busy.stop(signal.SIGKILL)
    s.produce(range(10, 20))

    wait_until(lambda: spare.events("took"), 30, "the spare worker takes over")
    wait_until(lambda: set(values(s.published())) == set(range(20)), 30, "nothing is lost")


def test_sigterm_during_a_rebalance_leaves_the_group_at_once(stage: MakeStage) -> None:
    s = stage(4)
    s.produce(range(6000))
    # 600 a second, both together
    slowly = {"work_seconds": 2.0, "room": 300, "settings": {"max_poll_records": 100, "session_timeout_seconds": 40.0}}
    staying, leaving = s.start(**slowly), s.start(**slowly)
    joining = s.start_only()
    drains = len(leaving.events("drop_waiting"))
    wait_until(lambda: len(leaving.events("drop_waiting")) > drains, 20, "its partitions are being taken away")

    began = time.monotonic()
    assert leaving.stop() == 0, leaving.log()
    wait_until(lambda: len(s.members()) == 2, 20, "it said that it leaves; a session would last 40 s")
    s.produce(range(6000, 7000))
    wait_until(lambda: joining.events("took"), 30, "the others go on")
    assert time.monotonic() - began < 30.0, "no partition waits for the end of a session"
    staying.stop()
    wait_until(lambda: len({r.value for r in s.published()}) == 7000, 30, "nothing is lost")
    assert joining.stop() == 0
    assert_in_order_within_epochs(s.published())


def test_partitions_with_backlog_are_served_side_by_side(stage: MakeStage) -> None:
    s = stage(2)
    s.produce(range(20_000), partition=0)
    s.produce(range(20_000, 40_000), partition=1)
    worker = s.start(settings={"max_poll_records": 500})
    wait_until(lambda: s.outputs() == 40_000, 60, "everything is published")

    polls = [{int(number): count for number, count in e["partitions"].items()} for e in worker.events("took")]
    first_half = polls[: len(polls) // 2]
    shared = sum(len(poll) == 2 for poll in first_half)
    assert shared >= 0.5 * len(first_half), f"{shared} of {len(first_half)} polls brought records of both"
    assert max(sum(poll.values()) for poll in polls) <= 500


def test_backlog_of_one_partition_does_not_hold_another_back(stage: MakeStage) -> None:
    s = stage(2)
    s.produce(range(40_000), partition=0)
    worker = s.start(work_seconds=3.0, settings={"max_poll_records": 500})  # with at most 5,500 at work
    wait_until(lambda: s.outputs() >= 1, 20, "it works at the backlog")
    s.produce(range(40_000, 40_001), partition=1)
    taken_before = sum(event["partitions"].get("0", 0) for event in worker.events("took"))
    wait_until(lambda: any("1" in event["partitions"] for event in worker.events("took")), 20, "the other's turn comes")

    taken = 0
    for event in worker.events("took"):
        if "1" in event["partitions"]:
            break
        taken += event["partitions"]["0"]
    assert taken_before < 40_000, "there was a backlog"
    assert taken - taken_before < 11_000, "not more than two fillings go first"


def values(records: list[RawRecord]) -> list[int]:
    """The values, sorted."""
    return sorted(int(record.value or b"-1") for record in records)


def origin(record: RawRecord) -> tuple[int, int, str]:
    """Input partition, input offset, and which epoch of which process it went through."""
    partition, offset, *epoch = dict(record.headers)["from"].decode().split()
    return int(partition), int(offset), " ".join(epoch)


def last_published_plus_one(published: list[RawRecord]) -> dict[int, int]:
    """Per input partition: what must be committed when everything published is."""
    last: dict[int, int] = {}
    for partition, offset, _ in map(origin, published):
        last[partition] = max(last.get(partition, 0), offset + 1)
    return last


def assert_nothing_missing(published: list[RawRecord], total: int) -> None:
    missing = sorted(set(range(total)) - {int(record.value or b"-1") for record in published})
    assert not missing, f"{len(missing)} missing, the first: {missing[:20]}"


def assert_in_order_within_epochs(published: list[RawRecord]) -> None:
    """Output partitions are read in order; keys keep a partition, so each (in, out, epoch) must only grow."""
    last: dict[tuple[int, int, str], int] = {}
    for record in sorted(published, key=lambda record: (record.partition, record.offset)):
        partition, offset, epoch = origin(record)
        line = (partition, record.partition, epoch)
        assert offset > last.get(line, -1), f"{offset} after {last[line]} in {line}"
        last[line] = offset
