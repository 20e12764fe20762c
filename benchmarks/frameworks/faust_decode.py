"""A bare Faust agent that decodes the JSON of each record and does nothing else; prints its rate and CPU time."""

from __future__ import annotations

import os
import time

import faust
import orjson

from benchmarks.frameworks.job import Job

job = Job.from_arguments()
app = faust.App(job.group, broker=f"kafka://{job.brokers}", topic_disable_leader=True, web_enabled=False)
reviews = app.topic(job.reviews, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")


@app.agent(reviews)
async def decode(stream: faust.StreamT[bytes]) -> None:
    count, began, cpu_began = 0, 0.0, 0.0
    async for value in stream:
        orjson.loads(value)
        count += 1
        if count == 1:
            began, cpu_began = time.perf_counter(), time.process_time()
        if count == job.total:
            seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu_began
            print("measured", (count - 1) / seconds, 1e6 * cpu_seconds / (count - 1), flush=True)
            os._exit(0)  # its own shutdown takes seconds


if __name__ == "__main__":
    faust.Worker(app, daemon=True, quiet=True, loglevel="WARNING", redirect_stdouts=False).execute_from_commandline()
