"""Parts that need no server."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from durable import TaskLost, activity
from durable.activities import Definition, by_name
from durable.codec import PLAIN
from durable.pace import Backoff, Pace
from durable.task import Task
from durable.task_calls import PolledTask
from durable.threads import Pool


def called(function, payload):
    return Definition(activity(function)).call(payload)


def test_input_becomes_arguments():
    def named(a, b=2):
        return a, b

    def keywords(**rest):
        return rest

    def single(order):
        return order

    assert called(named, {"a": 1}) == (1, 2)
    assert called(keywords, {"a": 1, "b": 2}) == {"a": 1, "b": 2}
    assert called(single, {"order": 7}) == 7
    assert called(single, {"sku": 7}) == {"sku": 7}
    assert called(single, [1, 2]) == [1, 2]
    assert called(lambda: "nothing", {}) == "nothing"
    assert called(lambda: "nothing", None) == "nothing"
    with pytest.raises(TypeError):
        called(named, {"c": 1})


def test_annotated_objects_are_taken_whole():
    def takes(order):
        return order

    for annotation in (dict, dict[str, Any], Mapping, "Mapping[str, a.b]", "'dict'", Any):
        takes.__annotations__ = {"order": annotation}
        assert called(takes, {"order": 1}) == {"order": 1}
        assert called(takes, {}) == {}
    for annotation in (str, "Optional[str]", object):
        takes.__annotations__ = {"order": annotation}
        assert called(takes, {"order": "x"}) == "x"


def test_methods_are_activities():
    class Service:
        @activity(name="charge")
        def do(self, amount):
            return self, amount

    service = Service()
    definition = by_name([service.do])["charge"]
    assert definition.call({"amount": 5}) == (service, 5)
    assert service.do(3) == (service, 3)  # still an ordinary method


def test_registration_is_checked():
    with pytest.raises(TypeError, match="decorate it"):
        by_name([print])
    with pytest.raises(ValueError, match="two activities"):
        by_name([activity(name="x")(lambda: 1), activity(name="x")(lambda: 2)])
    with pytest.raises(RuntimeError, match="not in an activity"):
        activity.info()


def test_pace():
    pace = Pace(60)
    assert pace.ask(0, 0) == 0 and pace.ask(10, 0) == 10
    pace.asking(0)
    pace.answered(10, 10)
    assert pace.ask(4, 1) == 4  # there may be more
    pace.asking(1)
    pace.answered(4, 3)
    assert pace.ask(1, 2) == 0  # that was all
    assert pace.timeout(1, 2) == 59
    pace.notified()
    assert pace.ask(0, 2) == 0 and pace.ask(1, 2) == 1
    pace.asking(2)
    pace.notified()  # while the poll runs
    pace.answered(1, 0)
    assert pace.ask(1, 3) == 1
    pace.asking(3)
    pace.answered(1, 0)
    assert pace.ask(1, 62) == 0 and pace.ask(1, 63) == 1


def test_backoff():
    backoff = Backoff()
    pauses = [backoff.pause() for _ in range(20)]
    assert 0.05 <= pauses[0] <= 0.1 and 5 <= pauses[-1] <= 10
    backoff.reset()
    assert backoff.pause() <= 0.1


def test_pool_starts_threads_on_demand():
    pool, names, barrier = Pool(3), set(), threading.Barrier(3 + 1)

    def job():
        names.add(threading.current_thread().name)
        barrier.wait(5)

    for _ in range(2):
        for _ in range(3):
            pool.submit(job)
        barrier.wait(5)
    assert len(names) == 3


def task(heartbeat_timeout):
    row = PolledTask(
        task_token="t",
        activity="x",
        input=None,
        workflow_id="w",
        run_id="r",
        activity_id="1",
        attempt=1,
        heartbeat_details=None,
        scheduled_at=datetime.now(timezone.utc),
        deadline=None,
        idempotency_key="k",
        heartbeat_timeout=heartbeat_timeout,
        seconds_left=None,
    )
    return Task(row, Definition(activity(lambda: None)), "q", PLAIN, now=100.0)


def test_heartbeats_are_throttled():
    quiet = task(None)
    assert quiet.next_beat() is None  # nothing to tell, and nobody asks
    quiet.heartbeat({"n": 1})
    assert quiet.next_beat() == 100  # the first goes at once
    sent = quiet.details
    quiet.heartbeat({"n": 2})  # while it is on its way
    quiet.beaten(sent, 100)
    assert (quiet.next_beat(), quiet.details) == (130, '{"n": 2}')
    quiet.beaten(quiet.details, 130)
    assert quiet.next_beat() is None

    asked = task(timedelta(seconds=4))
    assert asked.next_beat() == 102
    asked.beaten(None, 102)
    assert asked.next_beat() == 104
    asked.lose("timed out")
    assert asked.next_beat() is None
    with pytest.raises(TaskLost):
        asked.heartbeat()
    assert task(timedelta(hours=1)).next_beat() == 130
