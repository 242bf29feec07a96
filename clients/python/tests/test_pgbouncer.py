"""Workers behind a pooler in transaction mode."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time

import psycopg
import pytest
from conftest import eventually, running

from durable import Client, activity

CONFIG = """
[databases]
{database} = host={host} port={port} dbname={database} user={user}
[pgbouncer]
listen_addr =
unix_socket_dir = {directory}
listen_port = {listen_port}
auth_type = any
pool_mode = transaction
default_pool_size = 4
ignore_startup_parameters = extra_float_digits
"""


@pytest.fixture
def pooled(db, tmp_path_factory):
    """The conninfo of a PgBouncer before the server."""
    pgbouncer = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    if pgbouncer is None:
        pytest.skip("pgbouncer is not installed")
    directory = tmp_path_factory.mktemp("pgbouncer")
    config = directory / "pgbouncer.ini"
    info = db.info
    config.write_text(
        CONFIG.format(
            database=info.dbname,
            host=info.host,
            port=info.port,
            user=info.user,
            directory=directory,
            listen_port=6432,
        )
    )
    user = []
    if os.geteuid() == 0:  # it refuses root
        user = ["-u", "postgres"]
        for path in (directory, *list(directory.parents)[:2]):
            path.chmod(0o755)
        os.chown(directory, pwd.getpwnam("postgres").pw_uid, -1)
    process = subprocess.Popen([pgbouncer, "-q", *user, str(config)], stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: listening(directory / ".s.PGSQL.6432"))
        yield f"host={directory} port=6432 dbname={info.dbname} user={info.user}"
    finally:
        process.kill()
        process.wait()


def listening(path):
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def test_pgbouncer(worker_class, pooled, queue, client, start):
    @activity
    def adds(a, b):
        return a + b

    with running(worker_class(pooled, queue, [adds], listen=False, slots=4)) as worker:
        ids = [start("adds", {"a": n, "b": 1}, heartbeat="2s") for n in range(30)]
        assert [client.result(id, 20) for id in ids] == list(range(1, 31))
        time.sleep(0.3)  # it waits in the server again
        began = time.monotonic()
        assert client.result(start("adds", {"a": 1, "b": 1}), 10) == 2
        assert time.monotonic() - began < 4
        began = time.monotonic()
        worker.stop()
    assert time.monotonic() - began < 3  # it did not wait for the long poll to end


def test_client_through_pgbouncer(pooled, queue):
    with psycopg.connect(pooled, prepare_threshold=None) as conn:
        client = Client(conn)
        for n in range(10):
            with conn.transaction():
                client.start("call_activity", {"queue": queue, "activity": "x"}, id=f"{queue}-{n}")
        for n in range(10):
            assert client.terminate(f"{queue}-{n}")
