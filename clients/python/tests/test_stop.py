"""Workers that are told to stop while activities run."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from conftest import eventually, running

from durable import AsyncWorker, activity


def test_graceful_stop(worker_class, conninfo, queue, client, start):
    seen, release = [], threading.Event()

    @activity
    def finishes():
        seen.append("started")
        release.wait(10)
        return "finished"

    with running(worker_class(conninfo, queue, [finishes], grace=10)) as worker:
        id = start("finishes")
        eventually(lambda: seen)
        worker.stop()
        other = start("finishes")
        time.sleep(0.3)
        release.set()
        assert client.result(id, 10) == "finished"
    assert seen == ["started"]  # the other one was left for another worker
    client.terminate(other)


def test_stop_after_grace(worker_class, conninfo, queue, client, start):
    seen = []

    @activity
    def beats():
        if activity.info().attempt > 1:
            return activity.heartbeat_details()
        while True:
            seen.append("beat")
            activity.heartbeat({"beats": len(seen)})
            time.sleep(0.02)

    with running(worker_class(conninfo, queue, [beats], grace=0.2)):
        id = start("beats", heartbeat="10s", retry={"initial_interval": "1 hour"})
        eventually(lambda: len(seen) > 5)
    # Its attempt has failed at once, with its last details, and another worker takes over.
    with running(worker_class(conninfo, queue, [beats])):
        assert client.result(id, 10)["beats"] == len(seen)


def test_cancelled_async_worker(conninfo, queue, client, start):
    """An AsyncWorker whose run() is cancelled gives its activities back without any grace."""
    seen = []

    @activity
    async def hangs():
        seen.append("started")
        if len(seen) == 1:
            await asyncio.sleep(60)
        return "second attempt"

    async def run_and_cancel():
        running = asyncio.create_task(AsyncWorker(conninfo, queue, [hangs]).run())
        while not seen:
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    id = start("hangs", retry={"initial_interval": "1 hour"})
    asyncio.run(run_and_cancel())
    with running(AsyncWorker(conninfo, queue, [hangs])):
        assert client.result(id, 10) == "second attempt"
