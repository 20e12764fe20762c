"""What asyncio and threading would only log ends the process, with code 1."""

from __future__ import annotations

import subprocess
import sys

import pytest

_PROGRAM = """
import asyncio, gc, threading
from stream_app.kafka.fatal import catch_everything

async def work():
    catch_everything(asyncio.get_running_loop())
    {failure}
    await asyncio.sleep(20)

asyncio.run(work())
"""


@pytest.mark.parametrize(
    "failure",
    [
        "asyncio.get_running_loop().call_soon(lambda: [].pop())",
        "threading.Thread(target=lambda: [].pop()).start()",
        "asyncio.get_running_loop().create_task(asyncio.to_thread([].pop)); await asyncio.sleep(0.2); gc.collect()",
    ],
    ids=["callback", "thread", "forgotten task"],
)
def test_unawaited_exception_ends_the_process_with_1(failure: str) -> None:
    program = _PROGRAM.format(failure=failure)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=15)
    assert ended.returncode == 1
    assert "IndexError" in ended.stderr
    assert "process_ends" in ended.stdout + ended.stderr


def test_error_whose_words_say_what_to_do_is_printed_without_a_traceback() -> None:
    program = (
        "from stream_app.kafka.fatal import fatal; from stream_app.ports import BrokerUnavailable; "
        "fatal(BrokerUnavailable('Kafka is away.'))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=15)
    assert ended.returncode == 1
    assert "stream-app: Kafka is away. `stream-app check` looks at each server.\n" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_unawaited_error_of_the_kafka_client_ends_nothing() -> None:
    """It retries by itself; asyncio reports them when the answer is no longer awaited."""
    failure = """
    from aiokafka.errors import NodeNotReadyError
    loop = asyncio.get_running_loop()
    loop.call_exception_handler({"message": "late", "exception": NodeNotReadyError()})
    return
"""
    program = _PROGRAM.replace("{failure}", failure.strip())
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=15).returncode == 0
