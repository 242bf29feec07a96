"""Payloads that only the clients can read."""

from __future__ import annotations

import json

import pytest
from conftest import running

from durable import ApplicationError, AsyncWorker, Client, Worker, WorkflowFailed, activity
from durable.codec import PLAIN, AESGCMCodec, CodecError, decode_deep, dumps, loads

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
WORKFLOW = """
CREATE OR REPLACE FUNCTION secretly(input jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
  RETURN wf_activity('secret', input, task_queue => 'secret', start_to_close => '30s',
                     heartbeat => '1s', retry => wf_retry(initial_interval => '10ms'));
END $$;
"""
# Written by the C library, whose tests read what this codec wrote.
WRITTEN_IN_C = {
    "__codec": "aes-256-gcm",
    "kid": "old",
    "iv": "SmYa9ci1zeKuFYEX",
    "data": "JhjkhVB9LjFwx1C2K+5i+YQg9ky7i0zDPXzvFg+Jx5EUd+SaSLErYiIkg/HRBrqA",
}


@pytest.fixture
def codec():
    return AESGCMCodec({"old": OLD, "new": NEW}, active="new")


@pytest.mark.parametrize("payload", [{"a": [1, 2.5, None, "ü\u2028"]}, [], "text", 0, False, None])
def test_round_trip(codec, payload):
    encoded = codec.encode(payload)
    assert list(encoded) == ["__codec", "kid", "iv", "data"] and encoded["kid"] == "new"
    assert codec.decode(json.loads(json.dumps(encoded))) == payload
    assert codec.encode(payload) != encoded  # another nonce


def test_absent_and_plain_payloads(codec):
    assert dumps(codec, None) is None and loads(codec, None) is None
    assert codec.decode({"plain": 1}) == {"plain": 1}


def test_reads_what_c_wrote(codec):
    assert codec.decode(WRITTEN_IN_C) == {"card": "4242", "name": "Zoë"}


def test_rotation(codec):
    assert codec.decode(AESGCMCodec({"old": OLD}, active="old").encode("x")) == "x"
    with pytest.raises(CodecError, match="unknown key 'new'"):
        AESGCMCodec({"old": OLD}, active="old").decode(codec.encode("x"))


def test_damage_is_found(codec):
    encoded = codec.encode("x")
    with pytest.raises(CodecError):
        codec.decode({**encoded, "iv": WRITTEN_IN_C["iv"]})
    with pytest.raises(CodecError):
        codec.decode({**encoded, "data": "AAAA"})
    with pytest.raises(CodecError):
        codec.decode({**encoded, "__codec": "rot13"})
    with pytest.raises(ValueError, match="needs 32"):
        AESGCMCodec({"short": b"x"}, active="short")
    with pytest.raises(ValueError, match="not among"):
        AESGCMCodec({"old": OLD}, active="new")


def test_decode_inside_of_a_failure(codec):
    failure = {
        "cause": {"details": codec.encode({"a": 1}), "attempt": 2},
        "list": [codec.encode(3)],
    }
    assert decode_deep(codec, failure) == {
        "cause": {"details": {"a": 1}, "attempt": 2},
        "list": [3],
    }
    assert decode_deep(PLAIN, failure) == failure
    other = AESGCMCodec({"new": OLD}, active="new")
    assert decode_deep(other, failure) == failure  # still readable around it


def stored(db):
    """Everything durable has in its tables, as text."""
    tables = db.execute(
        "SELECT oid::regclass::text FROM pg_class"
        " WHERE relnamespace = 'durable'::regnamespace AND relkind = 'r'"
    ).fetchall()
    rows = [db.execute(f"SELECT t::text FROM {table} t").fetchall() for (table,) in tables]
    return "\n".join(text for table in rows for (text,) in table)


@pytest.mark.parametrize("worker_class", [Worker, AsyncWorker])
def test_server_stores_ciphertext_only(worker_class, conninfo, db, codec):
    seen = []

    @activity
    def secret(card: str, fail: bool):
        seen.append((card, activity.heartbeat_details()))
        activity.heartbeat({"place": "hush-heartbeat"})
        if len(seen) == 1:
            raise ApplicationError("again", details={"reason": "hush-retry"})
        if fail:
            raise ApplicationError("no", details={"reason": "hush-failure"}, non_retryable=True)
        return {"receipt": "hush-result"}

    db.execute(WORKFLOW)
    with (
        Client(conninfo, codec=codec) as client,
        running(worker_class(conninfo, "secret", [secret], codec=codec)),
    ):
        run_id = client.start("secretly", {"card": "hush-input", "fail": False})
        id = db.execute("SELECT workflow_id FROM wf_executions WHERE run_id = %s", (run_id,))
        assert client.result(id.fetchone()[0], 10) == {"receipt": "hush-result"}
        failing = f"failing-{run_id}"
        client.start("secretly", {"card": "hush-input", "fail": True}, id=failing)
        with pytest.raises(WorkflowFailed) as failed:
            client.result(failing, 10)
    assert "hush-failure" in str(failed.value.failure)
    assert seen[0] == ("hush-input", None)
    assert seen[1] == ("hush-input", {"place": "hush-heartbeat"})
    everything = stored(db)
    assert "aes-256-gcm" in everything and "hush" not in everything
