"""The external worker of the storm: what client_external (test/t/load.sql) does in psql, by the Python library.

worker.py CONNINFO: until it is killed. Without an argument it only tells, by its status, whether it could run.
"""

import sys

import psycopg
from durable import ApplicationError, Client, Worker, activity

if len(sys.argv) < 2:
    sys.exit(0)
conninfo = sys.argv[1]


def complete(id, step):
    """The effect and the completion, in one transaction."""
    with psycopg.connect(conninfo) as conn:
        conn.execute("INSERT INTO effect VALUES (%s, %s)", (id, step))
        Client(conn).complete_activity(activity.info().task_token, 1)
    raise activity.CompleteAsync()


@activity
def once(id, step):
    complete(id, step)


@activity
def fails(id, step):
    if activity.info().attempt == 1:
        raise ApplicationError("first")
    complete(id, step)


@activity
def beats(id, step):
    activity.heartbeat(1)
    complete(id, step)


Worker(conninfo, "stop_ext", [once, fails, beats], slots=4, grace=1).run()
