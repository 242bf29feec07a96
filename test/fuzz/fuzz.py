#!/usr/bin/python3
"""Calls every function of the extension with NULLs and typed garbage, as an ordinary role, from every place that
code can be: a session, a workflow, an inline step, a queued activity, a test transaction; under statement timeouts, cancels and
terminations. Afterwards nobody but the caller may have noticed.

    fuzz.py LOG [--seed N] [--calls N | --seconds N]

PGHOST and PGPORT name a server of its own, with workers; LOG is its log. Prints "ok NAME" or "not ok NAME" for each check, the
seed in the first line: it draws the same calls again (what the server is doing meanwhile it cannot).
"""
import argparse
import json
import random
import re
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.adapt import Loader

from values import STATEMENTS, WORKFLOW_IDS, Values, quote

SECRET = "SECRET-OF-THE-VICTIM"
# Internal errors, and faults of the system below; not for whatever the code that is called raises itself.
FLAT = 64 * 1024         # bytes a session may keep of a thousand calls
INTERNAL = re.compile(r"^(XX|58)")
# Called more often: much of the code is behind them.
DEEP = {"wf_replay", "wf_start", "wf_signal_with_start", "wf_poll_activities", "wf_reset", "wf_update", "wf_set_task_queue", "wf_check_replay", "wf_migrate",
        "wf_complete_activities", "wf_update_activity"}

# The fuzzer's own functions. Each call is made for itself, so that one that fails does not keep the next from being made.
CALLS = """
DECLARE c text; results jsonb := '[]';
BEGIN
  FOR c IN SELECT * FROM jsonb_array_elements_text(calls::jsonb) LOOP
    BEGIN
      EXECUTE 'SELECT ' || c;
      results := results || '1';
    EXCEPTION WHEN others THEN
      results := results || to_jsonb(sqlstate);
      IF sqlstate LIKE 'XX%' OR sqlstate LIKE '58%' THEN INSERT INTO internal_errors VALUES (sqlstate, sqlerrm, c); END IF;
    END;
  END LOOP;
  RETURN results;
END"""
OWN_CODE = [
    "CREATE TABLE t (x int)",
    "CREATE TABLE internal_errors (state text, message text, call text)",
    "CREATE FUNCTION act(n int DEFAULT 0) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN n; END $$",
    "CREATE PROCEDURE proc(n int DEFAULT 0) LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$",
    "CREATE FUNCTION valid(a jsonb) RETURNS boolean LANGUAGE sql AS $$ SELECT true $$",
    f"CREATE FUNCTION wf(n int DEFAULT 0, calls text DEFAULT '[]') RETURNS jsonb LANGUAGE plpgsql AS $$ {CALLS} $$",
    f"CREATE FUNCTION step(calls text DEFAULT '[]') RETURNS jsonb LANGUAGE plpgsql AS $$ {CALLS} $$",
    """CREATE FUNCTION steps(calls text DEFAULT '[]', how text DEFAULT NULL) RETURNS jsonb LANGUAGE plpgsql AS $$
    BEGIN
      RETURN wf_activity('step', jsonb_build_object('calls', calls), mode => how, start_to_close => '2 s', retry => wf_retry(max_attempts => 2));
    END $$""",
    """CREATE FUNCTION base() RETURNS jsonb LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM wf_activity('act');
      PERFORM wf_sleep('0');
      PERFORM wf_upsert_memo('{"a": 1}');
      PERFORM wf_version('change', 1, 2);
      PERFORM wf_child('act', id => 'c' || wf_uuid());
      BEGIN
        PERFORM wf_signal_external('nobody', 'x');
      EXCEPTION WHEN others THEN NULL;
      END;
      PERFORM wf_wait_signal('x', '10 ms');
      PERFORM wf_await_all(ARRAY[wf_start_timer('1 ms'), wf_start_activity('act', mode => 'queued')]);
      RETURN wf_info();
    END $$""",
]
VICTIM_CODE = f"""
CREATE TABLE victims_table (secret text);
INSERT INTO victims_table VALUES ('{SECRET}');
CREATE FUNCTION public.victim_wf(secret text DEFAULT '{SECRET}') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM wf_set('k', '"{SECRET}"');
  PERFORM wf_activity('task', jsonb_build_object('secret', secret), task_queue => 'vq');
  RETURN wf_wait_signal('go')::text;
END $$;
REVOKE EXECUTE ON FUNCTION public.victim_wf FROM public;
"""
FUNCTIONS = """
SELECT p.proname, n.nspname, ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY u(t, i) ORDER BY i), p.prokind,
       coalesce(p.proargnames, '{}'), p.pronargs - p.pronargdefaults
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'durable'
WHERE p.prorettype <> 'trigger'::regtype
ORDER BY p.oid::regprocedure::text"""


class AsText(Loader):
    """infinity and 178,000,000 years are nothing to Python's types"""

    def load(self, data):
        return bytes(data).decode()


for type_name in ("timestamptz", "timestamp", "date", "interval", "time", "timetz"):
    psycopg.adapters.register_loader(type_name, AsText)


@dataclass
class Function:
    name: str
    schema: str
    types: list
    kind: str
    names: list
    required: int

    def call(self, values, nulls=False):
        """A call with drawn arguments; the optional ones now and then."""
        r, arguments = values.random, []
        if self.name == "wf_sql" and not nulls:
            arguments = [quote(r.choice(STATEMENTS))] + [values.value('"any"') for _ in range(r.randint(0, 4) if len(self.types) > 1 else 0)]
        else:
            for i, type_name in enumerate(self.types):
                name = self.names[i] if i < len(self.names) else ""
                if i >= self.required and not nulls and r.random() < 0.55:
                    continue
                value = values.null(type_name) if nulls else values.value(type_name, name)
                arguments.append(f'"{name}" => {value}' if name else value)
        schema = f"{self.schema}." if self.schema == "durable" else ""
        return f"{schema}{self.name}({', '.join(arguments)})"


class Interrupter(threading.Thread):
    """Cancels what a session does, or ends the session, now and then."""

    def __init__(self, seed):
        super().__init__(daemon=True)
        self.random, self.target, self.ended = random.Random(seed), None, threading.Event()
        self.cancels = self.terminations = 0

    def run(self):
        c = None
        while not self.ended.wait(self.random.expovariate(20)):
            terminate = self.random.random() < 0.01
            try:
                c = c or psycopg.connect(user="postgres", autocommit=True)
                c.execute(f"SELECT pg_{'terminate' if terminate else 'cancel'}_backend(%s)", (self.target,))
            except psycopg.Error:           # the server crashed, which others note
                c = None
                continue
            self.terminations += terminate
            self.cancels += not terminate


class Fuzzer:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.seed = seed
        self.calls = 0
        self.workflows = 0
        self.states = {}                # SQLSTATE: how often
        self.internal, self.leaks, self.lost, self.unreadable = {}, {}, [], {}
        self.interrupter = None

    # -- the world -----------------------------------------------------------

    def prepare(self):
        self.su = psycopg.connect(user="postgres", autocommit=True)
        self.su.execute("CREATE EXTENSION durable")
        for role in ("fuzz", "fuzz_victim"):
            self.su.execute(f"CREATE ROLE {role} LOGIN")
            self.su.execute(f"CREATE SCHEMA {role} AUTHORIZATION {role}")
        self.su.execute("GRANT CREATE ON SCHEMA public TO public")
        self.su.execute("CREATE FUNCTION memory_of_session() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS"
                        " 'SELECT sum(total_bytes) FROM pg_catalog.pg_backend_memory_contexts'")
        with psycopg.connect(user="fuzz_victim", autocommit=True) as victim:
            victim.execute(VICTIM_CODE)
            run_id = victim.execute("SELECT wf_start('public.victim_wf', %s, id => 'victim')", (json.dumps({"secret": SECRET}),)).fetchone()[0]
        self.wait_for("SELECT count(*) = 1 FROM durable.activity", "the victim's activity")
        self.victim_before = self.victim_state()
        self.functions = [Function(*row) for row in self.su.execute(FUNCTIONS)]
        self.in_code = [f for f in self.functions if f.kind != "p"]
        self.connect()
        for statement in OWN_CODE:
            self.conn.execute(statement)
        self.values = Values(self.random, self.base_history(), str(run_id))

    def base_history(self):
        self.conn.execute("SELECT wf_start('base', id => 'base')")
        self.wait_for("SELECT status <> 'running' FROM wf_executions WHERE workflow_id = 'base'", "the workflow whose history is altered")
        return self.conn.execute("SELECT jsonb_agg(to_jsonb(h) ORDER BY event_id) FROM wf_history('base') h").fetchone()[0]

    def wait_for(self, query, what, seconds=60):
        end = time.monotonic() + seconds
        while not (row := self.su.execute(query).fetchone()) or not row[0]:
            if time.monotonic() > end:
                raise SystemExit(f"not ok fuzz\n{what}: not within {seconds} s")
            time.sleep(0.05)

    def victim_state(self):
        """What is another role's, as the superuser sees it."""
        return {q: self.su.execute(q).fetchall() for q in (
            "SELECT * FROM fuzz_victim.victims_table",
            "SELECT to_jsonb(e) FROM wf_executions e WHERE owner = 'fuzz_victim'::regrole ORDER BY e::text",
            "SELECT to_jsonb(h) FROM wf_history('victim') h ORDER BY h.event_id",
            "SELECT to_jsonb(a) FROM durable.activity a JOIN wf_executions e USING (run_id) WHERE e.owner = 'fuzz_victim'::regrole",
            "SELECT p.oid, p.prosrc, p.proowner FROM pg_proc p WHERE proname = 'victim_wf'",
            "SELECT name, setting FROM pg_settings WHERE source = 'configuration file' OR source = 'database' ORDER BY name",
            "SELECT rolname, rolsuper, rolconfig FROM pg_roles ORDER BY rolname",
        )}

    def connect(self):
        for attempt in range(60):
            try:
                self.conn = psycopg.connect(user="fuzz", autocommit=True)
                break
            except psycopg.OperationalError:
                if attempt == 59:
                    raise
                time.sleep(0.5)
        self.conn.execute("SET search_path = fuzz, public")
        self.conn.execute("SET client_min_messages = error")
        if self.interrupter:
            self.interrupter.target = self.conn.info.backend_pid

    # -- calls ----------------------------------------------------------------

    def execute(self, sql):
        """Rows, or None where it failed; what must not happen is noted."""
        try:
            cursor = self.conn.execute(sql)
            rows = cursor.fetchall() if cursor.description else []
        except psycopg.Error as e:
            self.note_error(e, sql)
            return None
        except UnicodeDecodeError as e:
            self.unreadable.setdefault(str(e), sql)
            return None
        if SECRET in str(rows):
            self.leaks.setdefault(sql, str(rows)[:500])
        return rows

    def note_error(self, e, sql):
        state = e.sqlstate or "none"
        self.states[state] = self.states.get(state, 0) + 1
        if INTERNAL.match(state):
            self.internal.setdefault(str(e).splitlines()[0], sql)
        if SECRET in str(e) + str(e.diag.message_detail) + str(e.diag.message_hint) + str(e.diag.context):
            self.leaks.setdefault(sql, str(e)[:500])
        if self.conn.closed:
            if state not in ("57P01", "none") or not self.lives():
                self.lost.append((str(e), sql))
            self.connect()
        elif state == "none":
            self.unreadable.setdefault(str(e), sql)

    def lives(self):
        """A session that went without a word was ended by us if the superuser's is still there."""
        try:
            return bool(self.su.execute("SELECT true").fetchone())
        except psycopg.Error:
            for _ in range(60):
                try:
                    self.su = psycopg.connect(user="postgres", autocommit=True)
                    break
                except psycopg.Error:
                    time.sleep(0.5)
            return False

    def limit(self):
        """Every so often another statement_timeout; never none, for many calls wait."""
        if self.random.random() < 0.05:
            self.execute(f"SET statement_timeout = '{self.random.choice([1, 3, 20, 100, 300])} ms'")

    def draw(self, functions, prefer=frozenset(), share=0.25):
        if prefer and self.random.random() < share:
            functions = [f for f in functions if f.name in prefer]
        return self.random.choice(functions)

    def all_null(self):
        self.execute("SET statement_timeout = '300 ms'")
        for f in self.functions:
            self.execute(("CALL " if f.kind == "p" else "SELECT ") + f.call(self.values, nulls=True))
            self.calls += 1

    def in_session(self):
        f = self.draw(self.functions, DEEP)
        verb = "CALL" if f.kind == "p" else "SELECT * FROM" if self.random.random() < 0.3 else "SELECT"
        rows = self.execute(f"{verb} {f.call(self.values)}")
        self.calls += 1
        if rows:
            self.values.remember(f, rows)

    def in_transaction(self):
        """Several calls in one transaction, failures undone by savepoints or not at all; of wf_test_begin() mostly."""
        testing = self.random.random() < 0.8
        prefer = {f.name for f in self.in_code if f.name.startswith("wf_test")} | DEEP if testing else DEEP
        statements = ["BEGIN"] + [f"SELECT wf_test_begin({self.values.value('timestamp with time zone')})"] * testing
        for _ in range(self.random.randint(2, 8)):
            statements += ["SAVEPOINT s", "SELECT " + self.draw(self.in_code, prefer, 0.4).call(self.values)]
        conn = self.conn
        for sql in statements:
            if self.execute(sql) is None and self.conn is conn:
                self.calls += sql.startswith("SELECT")
                if self.execute("ROLLBACK TO s") is None:
                    break
            elif self.conn is not conn:
                return
            else:
                self.calls += sql.startswith("SELECT")
        self.execute(self.random.choice(["ROLLBACK", "ROLLBACK", "COMMIT"]))

    def in_run(self):
        """In workflow code, in an inline step, in a queued activity."""
        calls = []
        for _ in range(self.random.randint(1, 12)):
            f = self.draw(self.in_code)
            if f.name not in ("wf_delete", "wf_terminate") or self.random.random() < 0.3:
                calls.append(f.call(self.values))
        self.calls += len(calls)
        self.workflows += 1
        arguments = {"calls": json.dumps(calls)}
        place = self.random.choice(["workflow", "workflow", "step", "queued"])
        if place == "queued":
            arguments["how"] = "queued"
        workflow_id = self.random.choice(WORKFLOW_IDS[:4] + [f"run-{self.workflows}"])
        self.execute(f"SELECT wf_start('{'wf' if place == 'workflow' else 'steps'}', {quote(json.dumps(arguments))}::jsonb, id => '{workflow_id}', "
                     "on_running => 'use_existing', run_timeout => '5 s', execution_timeout => '10 s')")
        if self.workflows % 25 == 0:
            time.sleep(0.1)             # the workers' turn

    def run(self, calls, seconds):
        begin = shown = time.monotonic()
        self.interrupter = Interrupter(self.seed)
        self.interrupter.target = self.conn.info.backend_pid
        self.all_null()
        self.interrupter.start()
        while self.calls < calls if calls else time.monotonic() < begin + seconds:
            self.limit()
            self.random.choices([self.in_session, self.in_transaction, self.in_run], [50, 10, 40])[0]()
            if time.monotonic() > shown + 30:
                shown = time.monotonic()
                print(f"# {self.calls} calls in {shown - begin:.0f} s, {self.problems()} problems", flush=True)
        self.interrupter.ended.set()
        self.interrupter.join()

    # -- afterwards -----------------------------------------------------------

    def problems(self):
        return sum(len(p) for p in (self.internal, self.leaks, self.lost, self.unreadable))

    def memory(self):
        """Bytes of the session; its kept plans and caches are bounded, too."""
        return self.conn.execute("SELECT public.memory_of_session()").fetchone()[0]

    def memory_growth(self):
        """What a session has kept after the same 1000 failing and cancelled calls, again and again, until a thousand add next to nothing:
        a slow server is cancelled early, and fills its caches in later rounds; a leak goes on."""
        state = self.random.getstate()
        self.connect()
        sizes = []
        while len(sizes) < 4 or sizes[-1] - sizes[-2] > FLAT and len(sizes) < 15:
            self.random.setstate(state)
            for i in range(1000):
                if i % 20 == 0:
                    self.execute(f"SET statement_timeout = '{self.random.choice([1, 2, 5, 20])} ms'")
                self.execute("SELECT " + self.draw(self.in_code, DEEP).call(self.values))
                self.calls += 1
            self.execute("SET statement_timeout = '60 s'")
            self.execute("ROLLBACK")
            sizes.append(self.memory())
        return sizes

    def leftovers(self):
        """Locks that nobody holds for anything after all sessions of the fuzzer are gone: of no transaction, of a session of the fuzzer,
        or of a transaction that goes on and on (workers have turns to take: a run may continue as new for ever)."""
        self.conn.close()
        found = None
        for _ in range(60):
            found = self.su.execute("""
                SELECT l.locktype, l.mode, l.relation::regclass::text, a.usename, a.backend_type, a.state, left(a.query, 200)
                FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
                WHERE l.pid IS DISTINCT FROM pg_backend_pid() AND l.locktype <> 'virtualxid'
                  AND (l.locktype = 'advisory' OR a.pid IS NULL OR a.usename = 'fuzz' AND a.backend_type = 'client backend' OR a.xact_start < clock_timestamp() - interval '10 s')""").fetchall()
            if not found:
                break
            time.sleep(0.5)
        return found

    def engine_lives(self):
        """Another role's workflow, with a queued activity, from start to result."""
        with psycopg.connect(user="fuzz_victim", autocommit=True) as c:
            c.execute("CREATE FUNCTION fuzz_victim.still() RETURNS text LANGUAGE plpgsql AS $$ BEGIN"
                      " RETURN wf_activity('fuzz_victim.still_act', mode => 'queued') #>> '{}'; END $$;"
                      "CREATE FUNCTION fuzz_victim.still_act() RETURNS text LANGUAGE sql AS $$ SELECT 'here' $$")
            c.execute("SET statement_timeout = '60 s'")
            run_id = c.execute("SELECT wf_start('fuzz_victim.still')").fetchone()[0]
            try:
                return c.execute("SELECT wf_result(%s::text)", (str(run_id),)).fetchone()[0]
            except psycopg.Error as e:
                return str(e)

    def log_faults(self, log):
        """Crashes, and internal errors, those of workers too."""
        crash = re.compile(r"TRAP:|PANIC:|terminated by signal|exit code [^01]\b|AddressSanitizer|runtime error")
        internal = re.compile(r"(?:ERROR|FATAL):  ((?:XX|58)\w{3}: .*)")
        text = Path(log).read_text(errors="replace")
        return [line for line in text.splitlines() if crash.search(line)], sorted(set(internal.findall(text)))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("log")
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 1 << 31))
    p.add_argument("--calls", type=int, default=0)
    p.add_argument("--seconds", type=float, default=60)
    a = p.parse_args()
    print(f"# seed {a.seed}", flush=True)
    fuzzer = Fuzzer(a.seed)
    fuzzer.prepare()
    print(f"# {len(fuzzer.functions)} functions, a history of {len(fuzzer.values.base_history)} events", flush=True)
    fuzzer.run(a.calls, a.seconds)
    sizes = fuzzer.memory_growth()
    locks = fuzzer.leftovers()
    after = fuzzer.victim_state()
    answer = fuzzer.engine_lives()
    crashes, internal = fuzzer.log_faults(a.log)
    internal += [f"{m}: {s}" for m, s in fuzzer.internal.items()]
    internal += [str(row) for row in fuzzer.su.execute("SELECT message, min(call) FROM fuzz.internal_errors GROUP BY 1 ORDER BY 1")]
    changed = [f"{q}\nbefore: {before}\nafter:  {after[q]}" for q, before in fuzzer.victim_before.items() if after[q] != before]
    runs = dict(fuzzer.su.execute("SELECT status, count(*) FROM wf_executions WHERE workflow IN ('wf', 'steps') GROUP BY 1").fetchall())
    print(f"# {fuzzer.calls} calls, {fuzzer.workflows} starts, runs {runs}, {fuzzer.interrupter.cancels} cancels, {fuzzer.interrupter.terminations} terminations;"
          f" memory {sizes}")
    print("# errors: " + " ".join(f"{state} {n}" for state, n in sorted(fuzzer.states.items(), key=lambda i: -i[1])))
    checks = {
        "made-its-calls": [] if fuzzer.calls >= max(a.calls, 1000) and runs.get("completed") else [f"{fuzzer.calls} calls, runs {runs}"],
        "nothing-crashed": crashes + [f"{e} {sql}" for e, sql in fuzzer.lost],
        "no-internal-error": internal,
        "nothing-told": [f"{sql}: {rows}" for sql, rows in fuzzer.leaks.items()],
        "all-readable": [f"{e}: {sql}" for e, sql in fuzzer.unreadable.items()],
        "others-unchanged": changed,
        "no-lock-left": [str(lock) for lock in locks],
        "memory-flat": [] if sizes[-1] - sizes[-2] <= FLAT else [f"bytes after each thousand calls: {sizes}"],
        "others-served": [] if answer == "here" else [str(answer)],
    }
    for name, faults in checks.items():
        print(f"{'not ok' if faults else 'ok'} {name}", flush=True)
        for fault in faults[:30]:
            print(f"---- {name}, seed {a.seed}: {str(fault)[:3000]}", file=sys.stderr)
    sys.exit(any(checks.values()))


main()
