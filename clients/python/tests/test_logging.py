"""What a worker logs: enough to see from its log alone why nothing moves."""

from __future__ import annotations

import logging

from conftest import eventually, running

from durable import activity


def lines(caplog, level):
    return [record.getMessage() for record in caplog.records if record.levelno == level]


def test_worker_tells(worker_class, conninfo, queue, start, caplog):
    @activity
    def breaks():
        raise ValueError("out of order")

    caplog.set_level(logging.INFO, logger="durable")
    with running(worker_class(conninfo, queue, [breaks], identity="teller")):
        said = eventually(lambda: [t for t in lines(caplog, logging.INFO) if "polls" in t])
        assert f"worker teller polls task queue {queue} as role" in said[0]
        assert said[0].endswith("for breaks")
        start("breaks", retry={"max_attempts": 2, "initial_interval": "0.1 s"})
        failed = eventually(lambda: [t for t in lines(caplog, logging.WARNING) if "failed" in t][1:])
        assert failed[0].startswith("breaks (breaks-")
        assert failed[0].endswith("attempt 2) failed: ValueError: out of order")
        start("unheard_of", retry={"max_attempts": 3, "initial_interval": "0.1 s"})
        eventually(
            lambda: sum("ActivityNotRegistered" in t for t in lines(caplog, logging.WARNING)) == 3
        )
        unknown = lines(caplog, logging.ERROR)
        assert unknown == [
            f"worker teller has no activity 'unheard_of', which was asked for in task queue {queue}"
        ]


def test_worker_of_a_role_that_sees_nothing(worker_class, conninfo, queue, start, db, caplog):
    @activity
    def hello():
        return "hello"

    role = f"blind_{queue[-8:]}"
    db.execute(f"CREATE ROLE {role} LOGIN")
    try:
        caplog.set_level(logging.INFO, logger="durable")
        start("hello")
        with running(worker_class(f"{conninfo} user={role}", queue, [hello])):
            told = eventually(lambda: [t for t in lines(caplog, logging.INFO) if "no tasks" in t])
            assert f"no tasks in {queue} that role {role} may see" in told[0]
    finally:
        db.execute(f"DROP ROLE {role}")


def test_poll_that_is_refused(worker_class, conninfo, queue, caplog):
    """Where the role may not even connect there is a line, too."""

    @activity
    def never():
        pass

    with running(worker_class(f"{conninfo} user=nobody_{queue[-8:]}", queue, [never])):
        assert eventually(lambda: [t for t in lines(caplog, logging.WARNING) if "polling" in t])
