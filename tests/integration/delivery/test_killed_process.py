"""What a process that was killed had not delivered is delivered by the next one."""

from __future__ import annotations

import asyncio
import signal
import sys

from stream_app.embedded.valkey import EmbeddedValkey
from tests.integration.delivery.local_receiver import LocalReceiver, hang, status
from tests.waiting import wait_until_async


async def started(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.delivery.delivering_program", *arguments
    )


async def killed(process: asyncio.subprocess.Process) -> None:
    process.send_signal(signal.SIGKILL)
    await process.wait()


def test_messages_of_a_killed_process_are_delivered_by_the_next_with_the_same_ids(
    valkey: str, topic_prefix: str
) -> None:
    async def run() -> None:
        async with LocalReceiver([hang]) as receiver:
            first = await started(valkey, topic_prefix, receiver.url, "6")
            await wait_until_async(lambda: len(receiver.posted) == 4, 60, "four messages are on their way")
            await killed(first)
            receiver.answers = [status(204)]
            next_one = await started(valkey, topic_prefix, receiver.url, "0")
            await wait_until_async(lambda: len(receiver.posted) == 10, 60, "the next process delivers all six")
            await killed(next_one)
            assert len(set(receiver.ids)) == 6
            assert set(receiver.ids[:4]) < set(receiver.ids[4:])

    asyncio.run(run())


def test_messages_outlive_a_restart_of_redis(fresh_valkey: EmbeddedValkey, topic_prefix: str) -> None:
    """And the process waits for it."""

    async def run() -> None:
        async with LocalReceiver([status(500), status(204)]) as receiver:
            process = await started(fresh_valkey.url, topic_prefix, receiver.url, "1")
            await wait_until_async(lambda: len(receiver.posted) == 1, 60, "the first try")
            await asyncio.to_thread(fresh_valkey.stop)
            await asyncio.to_thread(fresh_valkey.start)
            await wait_until_async(lambda: len(receiver.posted) == 2, 60, "the second try")
            await killed(process)
            assert len(set(receiver.ids)) == 1

    asyncio.run(run())
